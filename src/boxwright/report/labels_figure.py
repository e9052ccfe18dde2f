# SPDX-License-Identifier: Apache-2.0
"""What a data set holds: how many of each class, of what shape, and where. N boxes, C classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from boxwright.report.canvas import (
    INK,
    NOTE_PT,
    POINTS_PER_INCH,
    STEPS,
    TICK_PT,
    axis_end,
    class_colour,
    dressed,
    inches_of,
    name_of,
    note,
    plain,
    rendered,
    shades,
    thinned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE_INCHES = (13.0, 9.4)
ROWS = (1.0, 1.15)  # heights of the bars and of the three squares below them
BARS_POINTS = 12.0 * POINTS_PER_INCH  # width of the bars, about
MAX_BOXES = 1000  # drawn over each other; more hide each other
BINS = (10, 50)  # squares of a heat map along each side: few for few boxes
MAX_NUMBERS = 30  # classes up to which each bar bears its count
MIN_TICK_PT = 5.0
LINE = 1.15  # height of a line of text as a share of its letters


def labels_figure(boxes_cxcywh_norm: np.ndarray, classes: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Objects of each class, their boxes over each other, where they are and how large.

    (N, 4), (N,) -> (H, W, 3) uint8
    """
    boxes = np.asarray(boxes_cxcywh_norm, np.float64).reshape(-1, 4)
    numbers = np.asarray(classes).astype(np.int64)
    chosen = thinned(len(boxes), MAX_BOXES)
    shapes = "Shapes" if len(chosen) == len(boxes) else f"Shapes, {len(chosen):,} of {len(boxes):,}"

    def draw(figure: Figure) -> None:
        grid = figure.add_gridspec(2, 3, height_ratios=ROWS)
        overlaid, centres, sizes = (figure.add_subplot(grid[1, column]) for column in range(3))
        end = axis_end(boxes[:, 2:])
        upper = figure.add_subplot(grid[0, :])
        if len(names) == 1 and not numbers.any():
            title = f"{len(boxes):,} objects of one class, {name_of(names, 0)}"
            _side_lengths(dressed(upper, title, "side of a square as large, as a share of the image"), boxes[:, 2:])
        else:
            _count(dressed(upper, f"{len(boxes):,} objects"), numbers, names)
        magnified = "" if end == 1 else f", {1 / end:g} times as large"
        _overlay(dressed(overlaid, f"{shapes}{magnified}", grid=False), boxes[chosen, 2:] / end, numbers[chosen])
        heat(dressed(centres, "Centres", "x", "y", grid=False), boxes[:, 0], boxes[:, 1])
        centres.invert_yaxis()
        heat(dressed(sizes, "Sizes", "width", "height", grid=False), boxes[:, 2], boxes[:, 3], (end, end))

    return rendered(SIZE_INCHES, draw)


def heat(axes: Axes, x: np.ndarray, y: np.ndarray, ends: tuple[float, float] = (1.0, 1.0)) -> None:
    """How many values fall into each square of a panel that goes from 0 to these ends. (N,), (N,)"""
    x_edges, y_edges = (np.linspace(0, end, bins_for(len(x)) + 1) for end in ends)
    counts = np.histogram2d(y, x, bins=(y_edges, x_edges))[0]
    counts **= 0.4  # few are seen beside many
    axes.pcolormesh(x_edges, y_edges, counts, cmap=shades(), vmin=0, vmax=max(counts.max(), 1.0))
    axes.set(xlim=(0, ends[0]), ylim=(0, ends[1]), box_aspect=1)
    axes.set(xticks=np.linspace(0, ends[0], 6), yticks=np.linspace(0, ends[1], 6))
    if not len(x):
        note(axes, "no objects")


def bins_for(count: int) -> int:
    """How many parts of 0..1 that many values can fill."""
    return int(np.clip(np.sqrt(count) * 0.6, *BINS))


def _side_lengths(axes: Axes, sizes_wh: np.ndarray) -> None:
    """How large objects are: what there is to see of a single class, whose one bar says no more than its title."""
    sides = np.sqrt(np.maximum(sizes_wh, 0).prod(axis=1))
    end = axis_end(sides)
    counts, edges = np.histogram(sides, bins=bins_for(len(sides)), range=(0, end))
    axes.stairs(counts, edges, fill=True, color=class_colour(0), alpha=0.85)
    axes.set(xlim=(0, end), ylim=(0, max(counts.max() * 1.08, 1)), xticks=np.linspace(0, end, 6))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=STEPS))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _count(axes: Axes, numbers: np.ndarray, names: Sequence[str]) -> None:
    count = max(len(names), int(numbers.max(initial=-1)) + 1)
    axes.grid(False, axis="x")
    axes.tick_params(axis="x", length=0)
    if not count:
        note(axes, "no classes")
        axes.set(xticks=[], yticks=[])
        return
    heights = np.bincount(numbers[numbers >= 0], minlength=count)
    bars = axes.bar(np.arange(count), heights, width=0.8, color=[class_colour(number) for number in range(count)])
    if count <= MAX_NUMBERS:
        for text in axes.bar_label(bars, [f"{height:,}" for height in heights], padding=2, fontsize=NOTE_PT, color=INK):
            text.set_in_layout(False)
    _name_bars(axes, count, names)
    axes.set(xlim=(-0.6 - 2 / count, count - 0.4 + 2 / count), ylim=(0, max(heights.max() * 1.08, 1)))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, steps=STEPS))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _name_bars(axes: Axes, count: int, names: Sequence[str]) -> None:
    """Names below the bars, on end where they are wider than a bar; where even that is too dense, some of them."""
    size_pt = float(np.clip(BARS_POINTS / count / LINE, MIN_TICK_PT, TICK_PT))
    shown = thinned(count, int(BARS_POINTS / size_pt / LINE))
    words = [name_of(names, int(number)) for number in shown]
    lying = max(inches_of(word, size_pt) for word in words) * POINTS_PER_INCH < BARS_POINTS / max(count, 5)
    axes.set_xticks(shown, [plain(word) for word in words], rotation=0 if lying else 90, fontsize=size_pt)


def _overlay(axes: Axes, sizes_wh: np.ndarray, numbers: np.ndarray) -> None:
    half = sizes_wh / 2
    corners = np.stack([0.5 + half * sign for sign in ((-1, -1), (1, -1), (1, 1), (-1, 1))], axis=1)
    inks = [class_colour(int(number)) for number in numbers]
    axes.add_collection(
        PolyCollection(list(corners), facecolors="none", edgecolors=inks, linewidths=0.6, alpha=0.35), autolim=False
    )
    axes.set(xlim=(0, 1), ylim=(1, 0), xticks=[], yticks=[], aspect="equal")
    for spine in axes.spines.values():
        spine.set_visible(True)
    if not len(numbers):
        note(axes, "no objects")
