# SPDX-License-Identifier: Apache-2.0
"""The four curves of a validation: precision over recall, and F1, precision, recall over confidence.

C classes, G grid points.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from boxwright.metrics.curves import CONFIDENCE_GRID, Curves, smoothed
from boxwright.report.canvas import FAINT, INK, SECOND, add_legend, class_colour, dressed, name_of, note, rendered
from boxwright.structures.answer import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDS = 6  # of the bundle the best and the worst are named
SHOWN = 0.0005  # a value below is written as 0.000
FEW_IDLE = 2  # classes at 0 that are still named one by one
MAX_LINES = 20  # more classes are a bundle: nobody tells so many lines apart
SIZE_INCHES = (9.0, 5.6)
NOTHING_FOUND = "no detection stands on an object of its class"


@dataclass(frozen=True)
class _Plot:
    """What distinguishes the four."""

    title: str
    axes: tuple[str, str]
    heading: str
    lines: np.ndarray  # (C, G) over the grid
    values: np.ndarray  # (C,) what the legend says of each class
    point_xy: tuple[float, float]
    point_text: str
    mean: float
    thick: np.ndarray  # (G,) the line of all classes together


def pr_curve(curves: Curves, names: Sequence[str]) -> np.ndarray:
    """Precision over recall at the first IoU threshold, with the average precision of each class. -> (H, W, 3) uint8"""
    precision, recall = (_mean(values[:, curves.operating_point]) for values in (curves.precision, curves.recall))
    average = curves.average_precision[:, 0]
    text = f"precision {precision:.3f}\nrecall {recall:.3f}\nat confidence {curves.confidence:.3f}"
    plot = _Plot(
        "Precision and recall",
        ("recall", "precision"),
        "AP at IoU 0.50",
        curves.recall_precision,
        average,
        (recall, precision),
        text,
        _mean(average),
        _mean_line(curves.recall_precision),
    )
    return _figure(plot, curves, names)


def f1_curve(curves: Curves, names: Sequence[str]) -> np.ndarray:
    """F1 over confidence. -> (H, W, 3) uint8

    The thick line is the smoothed mean, at whose peak precision and recall are read.
    """
    thick = smoothed(_mean_line(curves.f1))
    text = (
        f"peak of the smoothed mean,\nat confidence {curves.confidence:.3f};\n"
        f"F1 {_mean(curves.f1[:, curves.operating_point]):.3f} there"
    )
    return _over_confidence("F1", curves.f1, curves, names, thick, text)


def p_curve(curves: Curves, names: Sequence[str]) -> np.ndarray:
    """Precision over confidence. -> (H, W, 3) uint8"""
    return _over_confidence("precision", curves.precision, curves, names)


def r_curve(curves: Curves, names: Sequence[str]) -> np.ndarray:
    """Recall over confidence. -> (H, W, 3) uint8"""
    return _over_confidence("recall", curves.recall, curves, names)


def _over_confidence(
    word: str,
    lines: np.ndarray,
    curves: Curves,
    names: Sequence[str],
    thick: np.ndarray | None = None,
    text: str = "",
) -> np.ndarray:
    values = lines[:, curves.operating_point]
    mean, confidence = _mean(values), curves.confidence
    thick = _mean_line(lines) if thick is None else thick
    text = text or f"{word} {mean:.3f}\nat confidence {confidence:.3f}"
    plot = _Plot(
        f"{word[0].upper()}{word[1:]} and confidence",
        ("confidence", word),
        f"{word} at {confidence:.3f}",
        lines,
        values,
        (confidence, float(thick[curves.operating_point])),
        text,
        mean,
        thick,
    )
    return _figure(plot, curves, names)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _mean_line(lines: np.ndarray) -> np.ndarray:
    """The mean of all classes. (C, G) -> (G,)"""
    mean: np.ndarray = lines.mean(axis=0) if len(lines) else np.zeros(lines.shape[1])
    return mean


def _figure(plot: _Plot, curves: Curves, names: Sequence[str]) -> np.ndarray:
    def draw(figure: Figure) -> None:
        axes = dressed(figure.add_subplot(), plot.title, *plot.axes)
        axes.set(xlim=(0, 1), ylim=(0, 1.01), xticks=np.linspace(0, 1, 6), yticks=np.linspace(0, 1, 6))
        if not len(curves.classes):
            note(axes, "no labelled objects")
            return
        point = _mark(axes, *plot.point_xy)
        bold = axes.plot(CONFIDENCE_GRID, plot.thick, color=INK, linewidth=2.6, zorder=4, solid_capstyle="round")
        if not plot.lines.any():
            note(axes, NOTHING_FOUND)
        handles, labels = _class_lines(axes, plot, curves, names)
        word = "all classes" if len(curves.classes) > 1 else name_of(names, int(curves.classes[0]))
        labels = [f"{plot.mean:.3f}  {word}", *labels, plot.point_text]
        add_legend(
            figure, [*bold, *handles, point], labels, title=plot.heading, alignment="left", loc="outside right upper"
        )

    return rendered(SIZE_INCHES, draw)


def _mark(axes: Axes, x: float, y: float) -> Line2D:
    """The operating point. Its numbers stand in the legend, where they cover nothing."""
    axes.axvline(x, color=FAINT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    return axes.plot(
        [x], [y], "o", markersize=8, color=SECOND, markeredgecolor="white", markeredgewidth=1.5, zorder=6, clip_on=False
    )[0]


def _class_lines(axes: Axes, plot: _Plot, curves: Curves, names: Sequence[str]) -> tuple[list[Line2D], list[str]]:
    """The thin lines and what the legend says of them, best class first; classes that reach nothing are one entry."""
    count = len(curves.classes)
    if count == 1 or not plot.lines.any():  # one line, or none to tell apart
        return [], []
    order = [int(row) for row in np.argsort(-plot.values, kind="stable")]
    alive, bundled = [row for row in order if plot.values[row] >= SHOWN], count > MAX_LINES
    if not bundled and count - len(alive) <= FEW_IDLE:
        alive = order
    parts = {"": alive}
    if bundled and len(alive) > 2 * ENDS:
        parts = {"highest:": alive[:ENDS], "lowest:": alive[-ENDS:]}
    style: dict[str, Any] = {"linewidth": 0.9 if bundled else 1.3, "alpha": 0.9, "zorder": 3}
    faint, empty = Line2D([], [], color=FAINT, linewidth=1, alpha=0.5), Line2D([], [], alpha=0)
    handles, words = ([faint], [f"each of {count} classes"]) if bundled else ([], [])
    for title, rows in parts.items():
        handles, words = ([*handles, empty], [*words, title]) if title else (handles, words)
        for row in rows:
            ink = class_colour(int(curves.classes[row]))
            handles += axes.plot(CONFIDENCE_GRID, plot.lines[row], color=ink, **style)
            words.append(f"{plot.values[row]:.3f}  {name_of(names, int(curves.classes[row]))}")
    drawn = {row for rows in parts.values() for row in rows}
    others = [np.column_stack((CONFIDENCE_GRID, plot.lines[row])) for row in order if bundled or row not in drawn]
    axes.add_collection(LineCollection(others, colors=FAINT, linewidths=0.7, alpha=0.22, zorder=2), autolim=False)
    if idle := count - len(alive):
        handles, words = [*handles, faint], [*words, f"0.000  {counted(idle, 'other class', 'other classes')}"]
    return handles, words
