# SPDX-License-Identifier: Apache-2.0
"""evolve.png: one panel per hyperparameter, fitness over its value, the best trial marked. T trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from boxwright.report.canvas import FAINT, GRID, NOTE_PT, SECOND, STEPS, dressed, note, rendered, shades

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 6
PANEL_INCHES = (2.6, 2.15)
HEAD_INCHES = 0.6
MARKER, RING = 16.0, 3.5  # area of a dot in points, and how much larger the ring of the best is
FIRST_SHADE = 0.35  # of the shades: a dot of the first trial is still to be seen on white


def evolve_figure(values: Mapping[str, Sequence[float]], fitness: Sequence[float], best: int | None) -> np.ndarray:
    """T values of each key and the fitness of the T trials, `best` being the place of the best. -> (H, W, 3) uint8

    Dots are the darker the later their trial. Keys that moved come first, in their order; those that stayed are grey.
    """
    scores = np.asarray(fitness, np.float64)
    columns = {name: np.asarray(column, np.float64) for name, column in values.items()}
    names = sorted(columns, key=lambda name: not _moved(columns[name]))
    beside = min(max(len(names), 1), COLUMNS)
    down = max(math.ceil(len(names) / beside), 1)

    def draw(figure: Figure) -> None:
        if not names or not len(scores):
            note(dressed(figure.add_subplot(), "fitness", grid=False), "no trial came to a number yet")
            return
        for place, name in enumerate(names):
            axes = dressed(figure.add_subplot(down, beside, place + 1), name)
            axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=NOTE_PT + 1.5, pad=6)
            if place % beside == 0:
                axes.set_ylabel("fitness", fontsize=NOTE_PT)
            _fill(axes, columns[name], scores, best)
        said = "" if best is None else f"; best: {scores[best]:.4g}, the ring"
        figure.suptitle(
            f"{len(scores)} trial{'s' * (len(scores) != 1)}, the later the darker{said}",
            x=0.01,
            ha="left",
            fontsize=NOTE_PT + 2,
            color=FAINT,
        )

    return rendered((PANEL_INCHES[0] * beside, PANEL_INCHES[1] * down + HEAD_INCHES), draw)


def _moved(values: np.ndarray) -> bool:
    return len(values) > 0 and bool((values != values[0]).any())


def _fill(axes: Axes, values: np.ndarray, fitness: np.ndarray, best: int | None) -> None:
    axes.tick_params(labelsize=NOTE_PT - 1)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=STEPS, min_n_ticks=2))
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.set_ylim(*_range(fitness))
    late = np.linspace(FIRST_SHADE, 1, len(values)) if len(values) > 1 else np.ones(1)
    moved = _moved(values)
    axes.scatter(values, fitness, s=MARKER, color=shades()(late) if moved else GRID, linewidths=0, alpha=0.85)
    if best is not None:
        ring = SECOND if moved else FAINT
        axes.scatter(
            values[best], fitness[best], s=MARKER * RING, facecolors="none", edgecolors=ring, linewidths=1.6, zorder=5
        )
        axes.set_title(f"{values[best]:.4g}", loc="right", fontsize=NOTE_PT, color=ring, pad=6)
    if not moved:
        axes.set_xticks([values[0]], ["stayed" if len(values) > 1 else ""])
        axes.set_xlim(values[0] - 1, values[0] + 1)


def _range(fitness: np.ndarray) -> tuple[float, float]:
    """The same for every panel, with some room."""
    low, high = float(fitness.min()), float(fitness.max())
    room = (high - low) * 0.1 or 0.05
    return low - room, high + room
