# SPDX-License-Identifier: Apache-2.0
"""Label rows that mean something else than `class cx cy w h` in shares of the image: which other reading fits all.

Labels are taken as they stand; this only says what they look like. N rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.data.labels.label_file import BOX_COLUMNS, MIN_POLYGON_COLUMNS
from boxwright.geometry.boxes import cxcywh_to_xyxy

if TYPE_CHECKING:
    from collections.abc import Callable

OUT = 0.01  # of the side: boxes that reach out no further are clipped, and say nothing
ODD = 0.05  # share of rows that do not fit, below which the usual reading is taken to be right
FITS = 0.98  # share of rows that another reading has to fit
FEWEST = 5  # rows that do not fit, below which nothing is guessed
ABSURD = 1e9  # what no coordinate is in any unit
BEYOND = 1.5  # coordinates above are no shares, not even of a box that reaches out
PER_CENT = 100.5
COCO_CLASSES, COCO_NUMBERS = 80, 90  # 80 classes that bear numbers from 1 to 90 in COCO's own files


class Guess(NamedTuple):
    """What rows look like, and what to do about it."""

    text: str
    fix: str


def rows_in(content: bytes) -> np.ndarray:
    """Class and box of every row that is numbers, an outline as the box around it, in whatever unit. (N, 5)

    Rows that are anything else are left out: each of them is a finding of its own.
    """
    found = []
    for line in content.removeprefix(b"\xef\xbb\xbf").splitlines():
        try:
            values = [float(word) for word in line.split()]
        except ValueError:
            continue
        if len(values) == BOX_COLUMNS:
            found.append(values)
        elif len(values) >= MIN_POLYGON_COLUMNS and len(values) % 2:
            xs, ys = values[1::2], values[2::2]
            low, high = (min(xs), min(ys)), (max(xs), max(ys))
            sides = high[0] - low[0], high[1] - low[1]
            found.append([values[0], low[0] + sides[0] / 2, low[1] + sides[1] / 2, *sides])
    rows = np.array(found, np.float64).reshape(-1, BOX_COLUMNS)
    return rows[(np.abs(rows) < ABSURD).all(axis=1)]  # nor what is not finite


def guess_boxes(boxes: np.ndarray) -> Guess | None:
    """What these boxes are instead, if that is clear; None where the usual reading fits. (N, 4)"""
    odd = ~_inside(cxcywh_to_xyxy(boxes))
    if odd.sum() < max(FEWEST, ODD * len(boxes)):
        return None
    counts = f"{int(odd.sum())} of {len(boxes)} boxes reach out of their image"
    if (boxes.max(axis=1) > BEYOND).mean() >= FITS:
        return _of_pixels(boxes, counts)
    for fits, looks, fix in READINGS:
        if fits(boxes).mean() >= FITS:
            return Guess(f"{counts}, and none would if rows were {looks}", fix)
    return None


def guess_classes(numbers: np.ndarray, num_classes: int) -> Guess | None:
    """How the classes of rows are numbered instead, if that is clear. (N,)"""
    if not len(numbers) or numbers.max() < num_classes or numbers.min() < 1:
        return None
    if numbers.max() == num_classes:
        text = f"class {num_classes} is beyond {num_classes} names and class 0 never occurs: classes are counted from 1"
        return Guess(text, "Subtract 1 from the first number of every row; classes are counted from 0")
    if num_classes == COCO_CLASSES and numbers.max() <= COCO_NUMBERS:
        text = "classes go from 1 to 90: these are the category numbers of COCO, which leave some out"
        return Guess(text, "Number them by their place in `names`, or read the JSON of COCO itself")
    return None


def _of_pixels(boxes: np.ndarray, counts: str) -> Guess:
    corners = ", and corners x1 y1 x2 y2" if _are_corners(boxes).mean() >= FITS else ""
    after = "; write `class cx cy w h`" if corners else ""
    unit, by = "in pixels", "x and w by the width of their image, y and h by its height"
    if boxes.max() <= PER_CENT:  # of images that small there are few
        unit, by = "in per cent, or in pixels of small images", f"by 100, or {by}"
    return Guess(
        f"{counts}: coordinates are {unit}{corners}", f"Divide {by}, so that they are shares from 0 to 1{after}"
    )


def _inside(corners: np.ndarray) -> np.ndarray:
    """Which boxes have an area and lie in the image. (N, 4) -> (N,)"""
    low, high = corners[:, :2], corners[:, 2:]
    found: np.ndarray = ((high > low) & (low >= -OUT) & (high <= 1 + OUT)).min(axis=1)  # of both axes
    return found


def _are_corners(boxes: np.ndarray) -> np.ndarray:
    found: np.ndarray = (boxes[:, 2:] > boxes[:, :2]).min(axis=1)
    return found


def _from_corner(boxes: np.ndarray) -> np.ndarray:
    return _inside(np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1))


def _with_swapped_sides(boxes: np.ndarray) -> np.ndarray:
    return _inside(cxcywh_to_xyxy(boxes[:, [0, 1, 3, 2]]))


def _of_corners(boxes: np.ndarray) -> np.ndarray:
    return _inside(boxes)


# What rows may be instead, the clearest first: which boxes fit, how it is written, and what to do.
READINGS: tuple[tuple[Callable[[np.ndarray], np.ndarray], str, str], ...] = (
    (
        _of_corners,
        "`class x1 y1 x2 y2`, two corners",
        "Write `class cx cy w h`: cx = (x1 + x2) / 2, cy = (y1 + y2) / 2, w = x2 - x1, h = y2 - y1",
    ),
    (
        _from_corner,
        "`class x y w h` from the upper left corner",
        "Write the centre: cx = x + w / 2, cy = y + h / 2",
    ),
    (
        _with_swapped_sides,
        "`class cx cy h w`, height before width",
        "Exchange the last two numbers of every row: width comes before height",
    ),
)
