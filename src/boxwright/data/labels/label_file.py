# SPDX-License-Identifier: Apache-2.0
"""Label files: one object a line, `class cx cy w h` or `class x1 y1 x2 y2 ...`, normalised.

Faults come back as findings.

A row that cannot be used is dropped, never the whole image; the file itself is never touched.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.labels.fault_policy import CLIP_MARGIN
from boxwright.data.labels.findings import Action, Finding, Found, Severity
from boxwright.geometry.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from boxwright.geometry.polygons import box_xyxy
from boxwright.native import labels as compiled
from boxwright.native.binary import kernels

if TYPE_CHECKING:
    from collections.abc import Iterator

BOX_COLUMNS = 5
MIN_POLYGON_COLUMNS = 7  # a class and three points
MAX_CLASSES = 1 << 31  # what a 32-bit number holds
MAX_ROW_BYTES = 1 << 20  # an outline of fifty thousand points
ROUNDING = 1e-6  # how far out six written decimals can put a coordinate that is inside

EMPTY_POLYGON = np.zeros((0, 2), np.float32)

_LINE_ENDS = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class Labels:
    """Objects of one image.

    `classes` (N,) int32, `boxes` (N, 4) float32 cxcywh normalised, `polygons` one (P, 2) each, P = 0 for plain boxes.

    `areas_px` (N,) float32 are those that annotations state, in square pixels of the image, NaN where they do not;
    None: nothing is stated.
    """

    classes: np.ndarray
    boxes: np.ndarray
    polygons: tuple[np.ndarray, ...]
    findings: tuple[Finding, ...] = ()
    areas_px: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.classes)


NO_LABELS = Labels(np.zeros(0, np.int32), np.zeros((0, 4), np.float32), ())


def parse_labels(content: bytes, file: str, *, clip_margin: float = CLIP_MARGIN) -> Labels:
    """Read a label file's bytes.

    Boxes that reach out by up to `clip_margin` of the side are clipped, others are dropped.
    """
    fast = None if _has_long_row(content) else _compiled(content) if kernels() is not None else _plain_boxes(content)
    return fast if fast is not None else _Reader(file, clip_margin).read(content)


def _has_long_row(content: bytes) -> bool:
    return len(content) > MAX_ROW_BYTES and any(len(line) > MAX_ROW_BYTES for line in _lines(content))


def _lines(content: bytes) -> Iterator[bytes]:
    """The lines of a file one after the other: all of them at once take many times its size."""
    begin = 0
    for end in _LINE_ENDS.finditer(content):
        yield content[begin : end.start()]
        begin = end.end()
    if begin < len(content):
        yield content[begin:]


def _compiled(content: bytes) -> Labels | None:
    """Sound files by the kernel; None when a line needs a closer look."""
    rows = compiled.read(content, ROUNDING)
    if rows is None:
        return None
    ends = rows.first_point.tolist()
    polygons = tuple(
        rows.points[begin:end] if end > begin else EMPTY_POLYGON for begin, end in itertools.pairwise(ends)
    )
    return Labels(rows.classes, rows.boxes, polygons)


def _plain_boxes(content: bytes) -> Labels | None:
    """Files that hold nothing but sound boxes, read in one go; None when a line needs a closer look."""
    try:
        words = content.split()
        numbers = np.array(words, np.float64)
    except ValueError:
        return None
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    if not words:
        return NO_LABELS
    if len(words) % BOX_COLUMNS or len(words) // BOX_COLUMNS != lines or b"_" in content:
        return None
    rows = numbers.reshape(-1, BOX_COLUMNS)
    corners = cxcywh_to_xyxy(rows[:, 1:])
    classes = rows[:, 0]
    sound = (
        np.isfinite(rows).all()
        and (classes == np.floor(classes)).all()
        and (classes >= 0).all()
        and (classes < MAX_CLASSES).all()
    )
    if not sound or (corners < -ROUNDING).any() or (corners > 1 + ROUNDING).any() or (rows[:, 3:] <= 0).any():
        return None
    if len(np.unique(rows, axis=0)) != len(rows) or any(
        len(line.split()) != BOX_COLUMNS for line in content.splitlines()
    ):
        return None
    boxes = xyxy_to_cxcywh(corners.clip(0, 1)).astype(np.float32)
    return Labels(classes.astype(np.int32), boxes, (EMPTY_POLYGON,) * len(rows))


class _Reader:
    """Line by line, with a finding for whatever is wrong."""

    def __init__(self, file: str, clip_margin: float) -> None:
        self.file = file
        self.clip_margin = clip_margin
        self.findings = Found()
        self.seen: dict[tuple[float, ...], int] = {}
        self.classes: list[int] = []
        self.boxes: list[tuple[float, float, float, float]] = []
        self.polygons: list[np.ndarray] = []

    def read(self, content: bytes) -> Labels:
        for number, line in enumerate(_lines(content.removeprefix(b"\xef\xbb\xbf")), 1):
            if line.strip():
                self._row(number, line)
        boxes = np.array(self.boxes, np.float32).reshape(-1, 4)
        return Labels(np.array(self.classes, np.int32), boxes, tuple(self.polygons), self.findings.listed())

    def _found(
        self,
        line: int,
        rule: str,
        text: str,
        fix: str,
        *,
        action: Action = "box dropped",
        severity: Severity = "warning",
    ) -> None:
        if self.findings.full:
            self.findings.more += 1
            return
        self.findings.note(Finding(self.file, line, rule, severity, text, action, fix))

    def _row(self, number: int, line: bytes) -> None:
        if len(line) > MAX_ROW_BYTES:
            self._found(
                number, "columns", f"the row is longer than {MAX_ROW_BYTES >> 20} MiB", "Check what this row is"
            )
            return
        try:
            words = line.decode("ascii").split()
            values = [_number(word) for word in words]
        except ValueError:
            shown = line[:40].decode("utf-8", "replace")
            self._found(
                number, "not-a-number", f"'{shown}' is not a row of numbers", "Write class and coordinates as numbers"
            )
            return
        if not all(map(math.isfinite, values)):
            self._found(
                number, "not-finite", "the row holds NaN or infinity", "Remove the row or write its coordinates again"
            )
        elif self._columns_fit(number, values) and self._class_fits(number, values[0]) and self._is_new(number, values):
            self._object(number, values)

    def _columns_fit(self, number: int, values: list[float]) -> bool:
        count = len(values)
        if count == BOX_COLUMNS or (count >= MIN_POLYGON_COLUMNS and count % 2 == 1):
            return True
        hint = (
            " (a sixth number is a confidence: these look like saved predictions)" if count == BOX_COLUMNS + 1 else ""
        )
        odd = " (a polygon point lacks its y)" if count > BOX_COLUMNS + 1 else ""
        text = f"{count} columns, but a box has 5 and a polygon an odd number from 7 on{hint}{odd}"
        self._found(number, "columns", text, "Write `class cx cy w h` or `class x1 y1 x2 y2 x3 y3 ...`")
        return False

    def _class_fits(self, number: int, value: float) -> bool:
        if value == math.floor(value) and 0 <= value < MAX_CLASSES:
            return True
        self._found(number, "class", f"class {value:g} is not a whole number from 0 on", "Number the classes from 0")
        return False

    def _is_new(self, number: int, values: list[float]) -> bool:
        first = self.seen.setdefault(tuple(values), number)
        if first != number:
            self._found(number, "duplicate", f"the row repeats line {first}", "Remove the repeated row")
        return first == number

    def _object(self, number: int, values: list[float]) -> None:
        outline = None if len(values) == BOX_COLUMNS else np.array(values[1:], np.float64).reshape(-1, 2)
        left, top, right, bottom = _corners(values[1:]) if outline is None else box_xyxy(outline).tolist()
        if right - left <= 0 or bottom - top <= 0:
            self._found(
                number,
                "no-area",
                f"the box is {right - left:g} wide and {bottom - top:g} high",
                "Remove the row or draw the box again",
            )
            return
        out = max(-min(left, top), max(right, bottom) - 1, 0.0)
        rule = "slightly-outside" if out <= CLIP_MARGIN else "outside"
        left, top, right, bottom = (min(max(corner, 0.0), 1.0) for corner in (left, top, right, bottom))
        if out > self.clip_margin or right <= left or bottom <= top:
            self._found(
                number,
                rule,
                f"the box reaches {out:.1%} of the side out of the image",
                "Coordinates are shares of the image, from 0 to 1",
            )
            return
        if out > ROUNDING:
            self._found(
                number,
                rule,
                f"the box reaches {out:.2%} of the side out of the image",
                "Clip the coordinates to 0..1",
                action="box clipped",
            )
        self.classes.append(int(values[0]))
        self.boxes.append(((left + right) / 2, (top + bottom) / 2, right - left, bottom - top))
        self.polygons.append(EMPTY_POLYGON if outline is None else outline.clip(0, 1).astype(np.float32))


def _corners(box_cxcywh: list[float]) -> tuple[float, float, float, float]:
    """Of one box; plain numbers, because arrays of four take ten times as long."""
    x, y, width, height = box_cxcywh
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _number(word: str) -> float:
    if "_" in word:  # Python reads 1_0 as ten; a label file does not mean that
        raise ValueError(word)
    return float(word)
