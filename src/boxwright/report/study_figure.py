# SPDX-License-Identifier: Apache-2.0
"""What image size costs and brings: one line through the sizes, time against mAP50-95."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.report.canvas import ACCENT, INK, NOTE_PT, SECOND, dressed, rendered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure

SIZE_INCHES = (7.5, 5.0)


def study_figure(points: Mapping[int, tuple[float, float]]) -> np.ndarray:
    """By image size: milliseconds per image and mAP50-95, the best one marked. -> (H, W, 3) uint8"""
    sizes = sorted(points)
    times, values = np.array([points[size] for size in sizes]).reshape(-1, 2).T
    best = int(values.argmax()) if len(values) else 0

    def draw(figure: Figure) -> None:
        axes = dressed(figure.add_subplot(), "Image size: time and mAP50-95", "milliseconds per image", "mAP50-95")
        axes.plot(times, values, "o-", color=ACCENT, markersize=5, linewidth=1.6)
        axes.plot(times[best : best + 1], values[best : best + 1], "o", color=SECOND, markersize=8, zorder=5)
        for place, size in enumerate(sizes):
            ink = SECOND if place == best else INK
            axes.annotate(
                str(size),
                (times[place], values[place]),
                (4, -11),
                textcoords="offset points",
                fontsize=NOTE_PT,
                color=ink,
            )
        axes.set_xlim(left=0)
        axes.margins(y=0.15)

    return rendered(SIZE_INCHES, draw)
