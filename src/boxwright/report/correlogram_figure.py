# SPDX-License-Identifier: Apache-2.0
"""How place and size of boxes go together: every pair of x, y, width and height. N boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.report.canvas import ACCENT, axis_end, dressed, rendered
from boxwright.report.labels_figure import bins_for, heat

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMES = ("x", "y", "width", "height")
SIZE_INCHES = (10.0, 10.0)


def correlogram_figure(boxes_cxcywh_norm: np.ndarray) -> np.ndarray:
    """Histograms on the diagonal, heat maps of pairs below it. (N, 4) -> (H, W, 3) uint8"""
    boxes = np.asarray(boxes_cxcywh_norm, np.float64).reshape(-1, 4)
    ends = (1.0, 1.0, *(axis_end(boxes[:, column]) for column in (2, 3)))

    def draw(figure: Figure) -> None:
        for row, below in enumerate(NAMES):
            for column, beside in enumerate(NAMES[: row + 1]):
                axes = figure.add_subplot(4, 4, row * 4 + column + 1)
                dressed(axes, "", beside if row == len(NAMES) - 1 else "", "" if column else below, grid=False)
                if row == column:
                    _histogram(axes, boxes[:, row], ends[row])
                else:
                    heat(axes, boxes[:, column], boxes[:, row], (ends[column], ends[row]))
                    axes.set_ylim((1, 0) if (beside, below) == ("x", "y") else (0, ends[row]))  # as on the image
                axes.set_xticks((0, ends[column] / 2, ends[column]))
                axes.set_yticks((0, ends[row] / 2, ends[row]) if not column and row > 0 else [])
                axes.tick_params(labelbottom=row == len(NAMES) - 1)

    return rendered(SIZE_INCHES, draw)


def _histogram(axes: Axes, values: np.ndarray, end: float) -> None:
    counts, edges = np.histogram(values, bins=bins_for(len(values)), range=(0, end))
    axes.stairs(counts, edges, fill=True, color=ACCENT, alpha=0.85)
    axes.set(xlim=(0, end), ylim=(0, max(counts.max() * 1.08, 1)), box_aspect=1)
