# SPDX-License-Identifier: Apache-2.0
"""Where the rows of a network stand on a picture.

One line each, in a column for every stride, with lines for what goes where.

A skip connection joins maps of one size, so it runs down its own column, in a lane beside the boxes. Lengths are in
pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxwright.drawing.captions import legible, shortened, text_width
from boxwright.drawing.palette import Colour
from boxwright.model.spec import ModelSpec
from boxwright.model.summary import RowSummary, Summary
from boxwright.report.network_style import (
    BAND,
    BARS,
    DIRECT,
    EDGE,
    FAINT,
    INK,
    SKIP,
    TIMES,
    WHITE,
    family_colour,
    label_of,
    quantity,
    tint,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BOX_W, BOX_H, PITCH = 168, 28, 40
COLUMN_W, LANE, MAX_LANES = 220, 8, 3
LEFT, TOP, BOTTOM = 84, 142, 28
BARS_W = 190
TEXT, SMALL, TITLE = 12, 10, 17  # letters in pixels


@dataclass(frozen=True)
class Box:
    """A rectangle with round corners."""

    x: float
    y: float
    w: float
    h: float
    fill: Colour
    stroke: Colour | None = None
    radius: float = 6


@dataclass(frozen=True)
class Way:
    """A line along points, its corners rounded, with an arrow at its end."""

    points: tuple[tuple[float, float], ...]
    colour: Colour
    arrow: bool = True
    dashed: bool = False


@dataclass(frozen=True)
class Words:
    """A line of text; `anchor` is its start, middle or end, y its middle."""

    x: float
    y: float
    text: str
    size: int = TEXT
    colour: Colour = INK
    anchor: str = "start"
    bold: bool = False


@dataclass
class Drawing:
    """A picture, in the order of drawing."""

    width: int
    height: int
    items: list[Box | Way | Words] = field(default_factory=list)


def laid_out(spec: ModelSpec, summary: Summary) -> Drawing:
    """The picture of a network."""
    plan = _Plan(spec, summary)
    drawing = Drawing(plan.width, plan.height)
    drawing.items += [*_frame(plan), *_ways(plan), *_boxes(plan), *_bars(plan)]
    return drawing


class _Plan:
    """Columns and lines of a network."""

    def __init__(self, spec: ModelSpec, summary: Summary) -> None:
        self.spec, self.summary = spec, summary
        octaves = [None if row.stride is None else round(math.log2(row.stride)) for row in summary.rows]
        self.octaves = sorted({octave for octave in octaves if octave is not None})
        self.columns = [None if octave is None else self.octaves.index(octave) for octave in octaves]
        self.right = LEFT + len(self.octaves) * COLUMN_W
        self.width = self.right + BARS_W
        self.height = TOP + len(summary.rows) * PITCH + BOTTOM
        self.backbone = len(spec.source["backbone"])

    def x(self, column: int) -> float:
        """Middle of the boxes of a column; its lanes are to the left of them."""
        return LEFT + column * COLUMN_W + COLUMN_W - BOX_W / 2 - 14

    def y(self, index: int) -> float:
        """Middle of a row."""
        return TOP + index * PITCH + PITCH / 2

    def place(self, index: int) -> tuple[float, float]:
        """Middle of a row's box; row -1 is the image."""
        column = self.columns[max(index, 0)]
        assert column is not None  # only the head, which nothing takes its input from, has no column
        return self.x(column), self.y(index)

    def nothing_below(self, index: int) -> bool:
        """Whether the way from a row straight down to the head is free."""
        return all(column != self.columns[index] for column in self.columns[index + 1 :])


def _frame(plan: _Plan) -> Iterator[Box | Way | Words]:
    """Paper, title, columns, numbers of the rows, and where the head begins."""
    summary = plan.summary
    yield Box(0, 0, plan.width, plan.height, WHITE, radius=0)
    classes = f"{summary.num_classes} class{'es' if summary.num_classes != 1 else ''}"
    facts = f"{quantity(summary.parameters)} parameters, {summary.gflops:.1f} GFLOPs at {summary.image_size}, {classes}"
    yield Words(24, 30, shortened(summary.name, TITLE, 400), TITLE, bold=True)
    yield Words(24, 54, facts, TEXT, FAINT)
    for column, octave in enumerate(plan.octaves):
        left = LEFT + column * COLUMN_W
        if column % 2 == 0:
            yield Box(left, 72, COLUMN_W, plan.height - 72 - BOTTOM / 2, BAND, radius=4)
        size = round(summary.image_size / 2**octave)
        middle = plan.x(column)
        yield Words(middle, 88, f"stride {2**octave}", TEXT, INK, "middle", bold=True)
        yield Words(middle, 104, f"{size}{TIMES}{size}", SMALL, FAINT, "middle")
    yield Words(plan.right + 14, 88, "parameters", TEXT, INK, bold=True)
    for row in summary.rows:
        yield Words(LEFT - 10, plan.y(row.index), str(row.index), SMALL, FAINT, "end")
        if row.tag:
            yield Words(
                LEFT - 10, plan.y(row.index) + 12, shortened(row.tag, SMALL - 1, LEFT - 14), SMALL - 1, FAINT, "end"
            )
    for name, first in (("backbone", 0), ("head", plan.backbone)):
        y = TOP + first * PITCH
        yield Words(24, y, name, SMALL, FAINT)
        if first:
            yield Way(((24 + text_width(name, SMALL) + 8, y), (plan.right, y)), EDGE, arrow=False, dashed=True)


def _boxes(plan: _Plan) -> Iterator[Box | Words]:
    for row in plan.summary.rows:
        colour = family_colour(row.block)
        x, y, width = _extent(plan, row)
        yield Box(x - width / 2, y - BOX_H / 2, width, BOX_H, tint(colour), colour)
        channels = (
            str(row.channels)
            if plan.columns[row.index] is not None
            else f"{plan.summary.num_classes} + 5, {plan.spec.num_anchors} anchors"
        )
        room = round(width - 24 - text_width(channels, SMALL))
        yield Words(x - width / 2 + 9, y, shortened(label_of(row), TEXT, room), TEXT)
        yield Words(x + width / 2 - 9, y, channels, SMALL, FAINT, "end")


def _extent(plan: _Plan, row: RowSummary) -> tuple[float, float, float]:
    """Middle and width of a row's box: the head reaches over the columns of its inputs."""
    if plan.columns[row.index] is not None:
        return *plan.place(row.index), BOX_W
    xs = [plan.place(source)[0] for source in plan.spec.rows[row.index].sources]
    return (min(xs) + max(xs)) / 2, plan.y(row.index), max(xs) - min(xs) + BOX_W


def _ways(plan: _Plan) -> Iterator[Way | Words]:
    x, y = plan.place(0)
    side = plan.summary.image_size
    yield Words(
        x,
        TOP - 12,
        legible(TIMES.join((f"image {plan.spec.in_channels}", str(side), str(side)))),
        SMALL,
        FAINT,
        "middle",
    )
    yield Way(((x, TOP - 5), (x, y - BOX_H / 2)), DIRECT)
    lanes = _Lanes()
    for row in plan.spec.rows:
        for source in row.sources:
            if source < 0:
                continue
            if plan.columns[row.index] is None and (source == row.index - 1 or plan.nothing_below(source)):
                x, y = plan.place(source)
                yield Way(((x, y + BOX_H / 2), (x, plan.y(row.index) - BOX_H / 2)), DIRECT)
            elif source == row.index - 1:
                yield _next(plan, source)
            else:
                yield _skip(plan, source, row.index, lanes)


def _next(plan: _Plan, source: int) -> Way:
    """To the row below: straight down, or sideways out of the box and down."""
    (x1, y1), (x2, y2) = plan.place(source), plan.place(source + 1)
    if x1 == x2:
        return Way(((x1, y1 + BOX_H / 2), (x2, y2 - BOX_H / 2)), DIRECT)
    edge = x1 + math.copysign(BOX_W / 2, x2 - x1)
    return Way(((edge, y1), (x2, y1), (x2, y2 - BOX_H / 2)), DIRECT)


def _skip(plan: _Plan, source: int, target: int, lanes: _Lanes) -> Way:
    """Out to the lane left of the boxes, down, and in at the left of the target, or at the top of the head."""
    x1, y1 = plan.place(source)
    column = plan.columns[source]
    assert column is not None  # as in `place`
    lane = x1 - BOX_W / 2 - 12 - LANE * lanes.taken(column, source, target)
    out = ((x1 - BOX_W / 2, y1), (lane, y1))
    if plan.columns[target] is None:
        return Way((*out, (lane, plan.y(target) - BOX_H / 2)), SKIP)
    x2, y2 = plan.place(target)
    into = x2 - BOX_W / 2 if x2 >= lane else x2 + BOX_W / 2
    return Way((*out, (lane, y2), (into, y2)), SKIP)


class _Lanes:
    """Which stretches of which lanes are in use."""

    def __init__(self) -> None:
        self.used: dict[tuple[int, int], list[tuple[int, int]]] = {}

    def taken(self, column: int, source: int, target: int) -> int:
        """The first lane that is free from source to target; the last one is shared when none is."""
        for lane in range(MAX_LANES + 1):
            stretches = self.used.setdefault((column, lane), [])
            if lane == MAX_LANES or all(target <= start or end <= source for start, end in stretches):
                stretches.append((source, target))
                return lane
        raise AssertionError("the last lane takes all")


def _bars(plan: _Plan) -> Iterator[Box | Words]:
    """Parameters of every row, long bars for many."""
    most = max(row.parameters for row in plan.summary.rows)
    room = BARS_W - 14 - 24 - text_width("88.88 M", SMALL)
    for row in plan.summary.rows:
        if row.parameters:
            length = max(room * row.parameters / most, 1)
            yield Box(plan.right + 14, plan.y(row.index) - 5, length, 10, BARS, radius=min(length / 2, 2))
            yield Words(plan.right + 14 + length + 6, plan.y(row.index), quantity(row.parameters), SMALL, FAINT)
