# SPDX-License-Identifier: Apache-2.0
"""How large the answer of an operation is and how much work it takes, from shapes alone, whatever file names it.

Every shape is exact or larger than what comes. Nothing is allocated here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Shape = tuple[int, ...]

SLOW = 256  # multiplications of a matrix product in the time of another operation for one element
COLUMN = 32  # and of one number put into a column of windows, from which a convolution is a product
SPREAD = SLOW // 2  # and of one number of a product written, or added to where windows of a turned convolution meet
BEGIN = 1 << 13  # and of a product of matrices, a group of a convolution, however small
LOAD = 1 << 23  # and of an operation of a file: to read it, to plan it, to begin it
LEAST_ROOM = 256 << 20  # bytes of all values at one time that any network may take
ROOM_RATIO = 40  # and so many times its images; the largest packaged network takes 32 times
LEAST_WORK = 1 << 36  # multiplications that any network may take, two seconds of one core
HARD_WORK = 1 << 18  # and so many for a number of the images; the largest packaged network takes 180,000
MANY_WORK = 3 << 16  # the same of images so many that they alone take long
MOST_WORK = 1 << 40  # from which on images are many; most of a minute of one core
MOST_STATED = 4 * 3 * 640 * 640  # numbers of images at one time that a file may ask for by itself


class OverBudgetError(Exception):
    """More memory or time than a network needs."""

    def __init__(self) -> None:
        super().__init__("it asks for more memory or time than a network needs")


@dataclass
class Budget:
    """What is left: bytes at one time, and multiplications."""

    room: int
    work: int

    @classmethod
    def of_images(cls, shape: Sequence[int]) -> Budget:
        """For images (B, C, H, W) float32."""
        numbers = max(math.prod(shape), 1)
        work = max(LEAST_WORK, min(numbers * HARD_WORK, MOST_WORK), numbers * MANY_WORK)
        return cls(max(LEAST_ROOM, ROOM_RATIO * 4 * numbers), work)

    def take(self, num_bytes: int, work: int) -> None:
        """Before an operation. Raises OverBudgetError."""
        self.room -= num_bytes
        self.work -= work
        if self.room < 0 or self.work < 0:
            raise OverBudgetError

    def give_back(self, num_bytes: int) -> None:
        """When a value is needed no more."""
        self.room += num_bytes


# -- shapes of answers


def broadcast(*shapes: Sequence[int]) -> Shape:
    """Of operands that are brought to one shape."""
    dimensions = max(map(len, shapes), default=0)
    whole = [(1,) * (dimensions - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(max(sides) for sides in zip(*whole, strict=True))


def concatenated(shapes: Sequence[Sequence[int]], axis: int) -> Shape:
    """Of operands put behind each other along an axis."""
    made = list(broadcast(*shapes))
    made[axis] = sum(shape[axis] for shape in shapes)
    return tuple(made)


def product(left: Sequence[int], right: Sequence[int]) -> Shape:
    """Of matrices, in any number of rows of them."""
    left, right = tuple(left), tuple(right)
    if len(left) < 2 or len(right) < 2:  # noqa: PLR2004 -- a vector counts as a matrix
        left, right = (1,) * (2 - len(left)) + left, right + (1,) * (2 - len(right))
    return (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])


def convolution(
    images: Sequence[int], weight: Sequence[int], strides: Iterable[int], around: Iterable[int], gaps: Iterable[int]
) -> Shape:
    """Images (B, C, …), weight (O, C / groups, …); around: numbers added per side, both ends together."""
    sides = zip(images[2:], weight[2:], strides, around, gaps, strict=True)
    return (
        images[0],
        weight[0],
        *(_steps(size + pad, window, stride, gap) for size, window, stride, pad, gap in sides),
    )


def turned_convolution(
    images: Sequence[int],
    weight: Sequence[int],
    strides: Iterable[int],
    more: Iterable[int],
    gaps: Iterable[int],
    groups: int = 1,
) -> Shape:
    """Images (B, C, …), weight (C, O / groups, …); more: numbers added per side, less those taken off at its ends."""
    sides = zip(images[2:], weight[2:], strides, more, gaps, strict=True)
    made = [(size - 1) * stride + gap * (window - 1) + extra + 1 for size, window, stride, extra, gap in sides]
    return (images[0], weight[1] * groups, *made)


def pooled(
    images: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
    around: Sequence[int],
    gaps: Sequence[int],
    *,
    up: bool = False,
) -> Shape:
    """Of windows over the last sides; around as in a convolution; up: windows that fit only in part count too."""
    at = len(images) - len(windows)
    sides = zip(images[at:], windows, strides, around, gaps, strict=True)
    made = [
        _steps(size + pad + (stride - 1 if up else 0), window, stride, gap) for size, window, stride, pad, gap in sides
    ]
    return (*images[:at], *made)


def _steps(size: int, window: int, stride: int, gap: int) -> int:
    """How often a window fits."""
    return max(size - gap * (window - 1) - 1 + stride, 0) // stride


def padded(shape: Sequence[int], around: Sequence[int]) -> Shape:
    """Around: numbers added per side, both ends together."""
    return tuple(max(size + more, 0) for size, more in zip(shape, around, strict=True))


def scaled(shape: Sequence[int], factors: Sequence[float]) -> Shape:
    """Of sides multiplied by factors."""
    return tuple(math.ceil(size * max(factor, 0.0)) for size, factor in zip(shape, factors, strict=True))


# -- work, in multiplications of a matrix product


def for_each(*shapes: Sequence[int]) -> int:
    """Of operations that do something with every element that they see or make."""
    return SLOW * sum(map(math.prod, shapes))


def for_windows(made: Sequence[int], windows: Sequence[int]) -> int:
    """Of operations that look at a window for every element of their answer."""
    return SLOW * math.prod(made) * math.prod(windows)


def for_product(made: Sequence[int], inner: int) -> int:
    """Of matrices, in any number of rows of them, with so many multiplications for every element."""
    return math.prod(made) * (inner + SPREAD) + BEGIN * math.prod(made[:-2])


def for_kernel(images: Sequence[int], made: Sequence[int], weight: Sequence[int], groups: int = 1) -> int:
    """Of a convolution: a product of its filters with the columns of all windows."""
    windows = made[0] * math.prod(made[2:])
    columns = windows * images[1] * math.prod(weight[2:])
    return math.prod(made) * (math.prod(weight[1:]) + SPREAD) + COLUMN * columns + BEGIN * made[0] * groups


def for_turned_kernel(images: Sequence[int], made: Sequence[int], weight: Sequence[int], groups: int = 1) -> int:
    """Of a turned convolution: a product whose columns are added to where their windows meet."""
    columns = images[0] * math.prod(images[2:]) * math.prod(weight[1:]) * groups
    multiplied = math.prod(images) * math.prod(weight[1:])
    return multiplied + SPREAD * (columns + math.prod(made)) + BEGIN * images[0] * groups
