# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix as a picture, from one class to hundreds. C classes and the background; S = C + 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from boxwright.drawing.palette import luminance
from boxwright.report.canvas import (
    FAINT,
    GRID,
    INK,
    NOTE_PT,
    POINTS_PER_INCH,
    TICK_PT,
    TITLE_PT,
    dressed,
    inches_of,
    name_of,
    plain,
    rendered,
    shades,
    thinned,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Normalised = Literal["column", "row"] | None

TITLES = {
    "column": "Confusion: share of each true class",
    "row": "Confusion: share of each predicted class",
    None: "Confusion: objects",
}
NO_COUNT = (0.95, 0.95, 0.95, 1.0)  # a cell of a class that never occurs
WANTED_INCHES, MIN_CELL_INCHES, MAX_CELL_INCHES = 9.0, 0.125, 0.9
MATRIX_INCHES = (4.0, 14.0)
TITLE_INCHES, LABEL_INCHES, SCALE_INCHES = (
    0.7,
    0.42,
    0.9,
)  # room above; for the word beside the names; for the scale of shades
MAX_NUMBER_PT, MIN_NUMBER_PT, MIN_TICK_PT = 11.0, 5.0, 5.0
LETTER = 0.64  # width of a digit as a share of its height in this font
LINE = 1.25  # height of a line of text as a share of its letters
FINE_GRID, FINE_SIDE = (
    "#f2f2f2",
    50,
)  # the grid of a matrix with more rows than this, which would else be all that is seen
DARK = 0.3  # luminance of a ground that asks for white letters; our ink is not quite black
BACKGROUND = "background"


@dataclass(frozen=True)
class _Names:
    """The words along both sides: those that have room."""

    places: np.ndarray  # which rows and columns are named
    words: list[str]
    size_pt: float
    upright: list[bool]  # which of them stand on end below their column

    @property
    def beside_inches(self) -> float:
        return max(inches_of(word, self.size_pt) for word in self.words)

    @property
    def below_inches(self) -> float:
        standing = [
            inches_of(word, self.size_pt) for word, upright in zip(self.words, self.upright, strict=True) if upright
        ]
        return max(standing, default=self.size_pt * LINE / POINTS_PER_INCH)


def confusion_figure(matrix: np.ndarray, names: Sequence[str], normalised: Normalised = "column") -> np.ndarray:
    """Shares of each true class ("column"), of each predicted class ("row") or counts (None). (S, S) -> (H, W, 3) uint8

    Rows are what was said, columns what is true; the last of each is the background.
    """
    side = len(matrix)
    assert side
    assert matrix.shape == (side, side)
    inches = float(
        np.clip(float(np.clip(WANTED_INCHES / side, MIN_CELL_INCHES, MAX_CELL_INCHES)) * side, *MATRIX_INCHES)
    )
    cell_pt = inches / (side + _gap(side)) * POINTS_PER_INCH
    words = _names(names, side - 1, cell_pt)
    values = _values(matrix, normalised)
    highest = 1.0 if normalised else max(float(np.nanmax(values, initial=0)), 1.0)
    left, bottom = words.beside_inches + LABEL_INCHES, words.below_inches + LABEL_INCHES
    width, height = left + inches + SCALE_INCHES, bottom + inches + TITLE_INCHES

    def draw(figure: Figure) -> None:
        axes = dressed(
            figure.add_axes((left / width, bottom / height, inches / width, inches / height)),
            "",
            "true class",
            "predicted class",
            grid=False,
        )
        _write_title(axes, TITLES[normalised])
        _fill(axes, values / highest)
        _write_names(axes, words, side)
        _write_numbers(axes, values, highest, "{:.2f}" if normalised else "{:.0f}", cell_pt)
        _add_scale(
            figure.add_axes(
                ((left + inches + 0.2) / width, (bottom + inches / 4) / height, 0.13 / width, inches / 2 / height)
            ),
            highest,
        )

    return rendered((width, height), draw, arranged=False)


def _names(names: Sequence[str], num_classes: int, cell_pt: float) -> _Names:
    """Names as large as their row allows; where rows are too fine, some of them."""
    size_pt = min(TICK_PT, max(cell_pt / LINE, MIN_TICK_PT))
    places = np.append(thinned(num_classes, int(num_classes * cell_pt / (size_pt * LINE))), num_classes)
    words = [*(name_of(names, int(number)) for number in places[:-1]), BACKGROUND]
    room = cell_pt / POINTS_PER_INCH
    standing = max((inches_of(word, size_pt) for word in words[:-1]), default=0) > room
    upright = [standing] * (len(words) - 1) + [inches_of(BACKGROUND, size_pt) > room]
    return _Names(places, words, size_pt, upright)


def _values(matrix: np.ndarray, normalised: Normalised) -> np.ndarray:
    """What each cell shows; NaN where there is nothing to have a share of. (S, S) -> (S, S)"""
    values = matrix.astype(np.float64)
    if normalised:
        sums = values.sum(axis=0 if normalised == "column" else 1, keepdims=True)
        values = np.divide(values, sums, out=np.full_like(values, np.nan), where=sums > 0)
    values[-1, -1] = np.nan  # background that was rightly not predicted cannot be counted
    return values


def _gap(side: int) -> float:
    """What separates the background from the classes, in cells."""
    return max(0.15, side * 0.012)


def _centres(side: int) -> np.ndarray:
    """The middle of each row or column. (S,)"""
    return np.append(np.arange(side - 1) + 0.5, side - 0.5 + _gap(side))


def _write_title(axes: Axes, title: str) -> None:
    for text, height_pt, size_pt, ink in (
        (title, 24, TITLE_PT, INK),
        ("last row: missed objects; last column: false alarms", 9, NOTE_PT, FAINT),
    ):
        axes.annotate(
            text,
            (0, 1),
            (0, height_pt),
            "axes fraction",
            "offset points",
            fontsize=size_pt,
            color=ink,
            annotation_clip=False,
        )


def _fill(axes: Axes, shares: np.ndarray) -> None:
    side = len(shares)
    colours = shades()(_shade(np.nan_to_num(shares)))
    colours[np.isnan(shares)] = NO_COUNT
    start = side - 1 + _gap(side)
    blocks = ((slice(0, side - 1), np.arange(side)), (slice(side - 1, side), np.array((start, start + 1))))
    for rows, y_edges in blocks:
        for columns, x_edges in blocks:
            if colours[rows, columns].size:
                axes.pcolormesh(
                    x_edges,
                    y_edges,
                    colours[rows, columns],
                    edgecolors=GRID if side <= FINE_SIDE else FINE_GRID,
                    linewidth=min(12 / side, 0.8),
                )
    axes.set(xlim=(0, start + 1), ylim=(start + 1, 0))
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shade(shares: np.ndarray) -> np.ndarray:
    """How dark a share is drawn.

    By its root, so that a few objects out of a hundred are not lost beside a full diagonal.
    """
    result: np.ndarray = np.sqrt(shares)
    return result


def _write_names(axes: Axes, names: _Names, side: int) -> None:
    centres = _centres(side)[names.places]
    axes.set_xticks(centres, [plain(word) for word in names.words], fontsize=names.size_pt)
    for label, upright in zip(axes.get_xticklabels(), names.upright, strict=True):
        label.set_rotation(90 if upright else 0)
    axes.set_yticks(centres, [plain(word) for word in names.words], fontsize=names.size_pt)
    axes.tick_params(length=0, pad=3)


def _write_numbers(axes: Axes, values: np.ndarray, highest: float, form: str, cell_pt: float) -> None:
    """A number in every cell that is not empty, where the cells are large enough."""
    size_pt = min(cell_pt * 0.9 / (max(len(form.format(highest)), 2) * LETTER), MAX_NUMBER_PT)
    if size_pt < MIN_NUMBER_PT:
        return
    centres, colours = _centres(len(values)), shades()(_shade(np.nan_to_num(values / highest)), bytes=True)
    for row, column in np.argwhere(np.nan_to_num(values) > 0):
        red, green, blue = (int(part) for part in colours[row, column, :3])
        ink = "white" if luminance((red, green, blue)) < DARK else INK
        word = form.format(values[row, column])
        axes.text(
            centres[column],
            centres[row],
            word if float(word) else "",
            ha="center",
            va="center",
            fontsize=size_pt,
            color=ink,
        )


def _add_scale(axes: Axes, highest: float) -> None:
    axes.pcolormesh(
        (0, 1), np.linspace(0, highest, 257), _shade(np.linspace(0, 1, 256))[:, None], cmap=shades(), vmin=0, vmax=1
    )
    dressed(axes, grid=False).set_xticks([])
    axes.yaxis.tick_right()
    for spine in axes.spines.values():
        spine.set_visible(False)
