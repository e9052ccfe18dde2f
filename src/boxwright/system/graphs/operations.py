# SPDX-License-Identifier: Apache-2.0
"""Operations that ONNX and OpenVINO write alike: the answer of each, and the numbers of small ones where known.

Sizes come out of numbers (of a shape, of a stored tensor), so whole numbers are followed as far as they go. A size that
hangs on what only a run can know is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.system.graphs.costs import (
    Shape,
    broadcast,
    concatenated,
    convolution,
    for_each,
    for_kernel,
    for_product,
    for_turned_kernel,
    for_windows,
    padded,
    pooled,
    product,
    scaled,
    turned_convolution,
)
from boxwright.system.graphs.graph import FEW, Answer, Operand, UnknownSizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDE = 8
MOST_PARTS = 1024  # of a tensor taken apart
WIDE_TIMES = 24  # a product of whole or of wide numbers takes so much longer
LOOKUP = 6  # and finding a part by its place takes as long as so many elements
PAIR = 64  # multiplications in the time of comparing two boxes


def numbers_of(operand: Operand | None) -> list[int]:
    """Whole numbers that a size hangs on. Raises UnknownSizeError where they are not known."""
    if operand is None or operand.value is None or operand.value.dtype.kind not in "iub":
        raise UnknownSizeError("it makes sizes of numbers that only a run can know")
    return [int(number) for number in operand.value.ravel()]


def number_of(operand: Operand | None) -> int:
    """One of them."""
    (number,) = numbers_of(operand)
    return number


def places(axes: Sequence[int], dimensions: int) -> list[int]:
    """Axes counted from the front. Raises IndexError."""
    found = [axis + dimensions if axis < 0 else axis for axis in axes]
    if any(not 0 <= axis < dimensions for axis in found):
        raise IndexError
    return found


def made(
    shape: Sequence[int],
    given: Sequence[Operand | None],
    *,
    work: int = 0,
    width: int = 0,
    beside: int = 0,
    value: Callable[[], Any] | None = None,
    exact: bool = True,
) -> Answer:
    """One answer. Its numbers are worked out when they are few and whole, and all that they come from are known."""
    there = [operand for operand in given if operand is not None]
    width = width or max((operand.width for operand in there), default=4)
    exact = exact and all(operand.exact for operand in there)
    sides = tuple(int(side) for side in shape)
    found = None
    followed = all(one.value is not None and one.value.dtype.kind in "iub" for one in there)
    if value is not None and exact and followed and math.prod(sides) <= FEW:
        found = np.asarray(value())
        if found.shape != sides:
            raise ValueError
    return Answer((Operand(sides, width, found, exact),), work or for_each(sides), beside)


def _values(given: Sequence[Operand | None]) -> list[np.ndarray]:
    return [operand.value for operand in given if operand is not None and operand.value is not None]


def width_of(dtype: np.dtype[Any]) -> int:
    """Bytes per element; whole numbers count as wide ones, whatever they take."""
    return WIDE if dtype.kind in "iu" else dtype.itemsize


def elementwise(given: Sequence[Operand | None], how: Callable[..., Any] | None = None, *, times: int = 1) -> Answer:
    """Of operands brought to one shape; times: as slow as so many."""
    shapes = [operand.shape for operand in given if operand is not None]
    shape = broadcast(*shapes)
    work = for_each(shape) * times * max(len(shapes) - 1, 1)
    return made(shape, given, work=work, value=None if how is None else lambda: how(*_values(given)))


def same(given: Sequence[Operand | None], how: Callable[..., Any] | None = None, *, times: int = 1) -> Answer:
    """Of the first operand's shape; the others are small beside it. times: as slow as so many."""
    first = _first(given)
    value = None if how is None else lambda: how(first.value)
    return made(first.shape, [first], work=times * for_each(first.shape), value=value)


def softmax(given: Sequence[Operand | None], axis: int) -> Answer:
    """Shares along an axis; along another than the last, sides change places twice."""
    dimensions = len(_first(given).shape)
    (axis,) = places([axis], dimensions)
    return same(given, times=1 if axis == dimensions - 1 else 6)


def scattered(given: Sequence[Operand | None]) -> Answer:
    """Data, with parts of it written over: by their places, what is written."""
    data, where, parts = given
    if data is None or where is None or parts is None:
        raise IndexError
    work = for_each(data.shape, parts.shape) + LOOKUP * for_each(where.shape[:-1])
    return made(data.shape, [data], work=work)


def cast(given: Sequence[Operand | None], dtype: np.dtype[Any] | None, width: int) -> Answer:
    """The same numbers in another kind."""
    first = _first(given)
    value = None if dtype is None else lambda: _array(first).astype(dtype)
    if first.value is not None and first.value.dtype.kind == "f" and dtype is not None and dtype.kind in "iub":
        return made(first.shape, [], width=width, value=value, exact=first.exact)
    return made(first.shape, [first], width=width, value=value)


def _first(given: Sequence[Operand | None]) -> Operand:
    if not given or given[0] is None:
        raise IndexError
    return given[0]


def _array(operand: Operand) -> np.ndarray:
    if operand.value is None:
        raise ValueError
    return operand.value


def shape_of(given: Sequence[Operand | None]) -> Answer:
    """The shape of an operand, as numbers."""
    first = _first(given)
    known = np.array(first.shape, np.int64) if first.exact else None
    return Answer((Operand((len(first.shape),), WIDE, known),), for_each((len(first.shape),)))


def concat(given: Sequence[Operand | None], axis: int) -> Answer:
    """Operands behind each other."""
    there = [operand for operand in given if operand is not None]
    (axis,) = places([axis], len(there[0].shape))
    shape = concatenated([operand.shape for operand in there], axis)
    return made(shape, there, value=lambda: np.concatenate(_values(there), axis))


def gather(given: Sequence[Operand | None], axis: int) -> Answer:
    """Parts along an axis by their places."""
    data, where = _first(given), given[1]
    if where is None:
        raise IndexError
    (axis,) = places([axis], len(data.shape))
    shape = (*data.shape[:axis], *where.shape, *data.shape[axis + 1 :])
    work = for_each(shape) + LOOKUP * for_each((*data.shape[:axis], *where.shape))
    parts = [data, where]
    return made(shape, parts, work=work, width=data.width, value=lambda: np.take(_array(data), _array(where), axis))


def gather_nd(given: Sequence[Operand | None], batch: int) -> Answer:
    """Parts by places of several numbers."""
    data, where = _first(given), given[1]
    if where is None or not 0 <= batch <= len(data.shape):
        raise IndexError
    shape = (*where.shape[:-1], *data.shape[batch + where.shape[-1] :])
    work = for_each(shape) + LOOKUP * for_each(where.shape[:-1])
    return made(shape, [data, where], work=work, width=data.width)


def gather_elements(given: Sequence[Operand | None]) -> Answer:
    """Numbers by their places along an axis."""
    where = given[1]
    if where is None:
        raise IndexError
    return made(where.shape, [_first(given), where], work=2 * for_each(where.shape))


def reshape(given: Sequence[Operand | None], *, zero_copies: bool = True) -> Answer:
    """The same numbers in another shape."""
    data, wanted = _first(given), numbers_of(given[1])
    shape = [data.shape[at] if side == 0 and zero_copies else side for at, side in enumerate(wanted)]
    total = math.prod(data.shape)
    if -1 in shape:
        others = math.prod(side for side in shape if side != -1)
        shape[shape.index(-1)] = total // max(others, 1)
    if data.exact and math.prod(shape) != total:
        raise ValueError
    return made(shape, [data], value=lambda: _array(data).reshape(shape))


def unsqueeze(given: Sequence[Operand | None], axes: Sequence[int]) -> Answer:
    """With new sides of one."""
    data = _first(given)
    at = places(axes, len(data.shape) + len(axes))
    left = iter(data.shape)
    shape = [1 if place in at else next(left) for place in range(len(data.shape) + len(axes))]
    return made(shape, [data], value=lambda: _array(data).reshape(shape))


def squeeze(given: Sequence[Operand | None], axes: Sequence[int] | None) -> Answer:
    """Without sides of one."""
    data = _first(given)
    at = [place for place, side in enumerate(data.shape) if side == 1]
    at = at if axes is None else places(axes, len(data.shape))
    shape = [side for place, side in enumerate(data.shape) if place not in at]
    return made(shape, [data], value=lambda: _array(data).reshape(shape))


def expand(given: Sequence[Operand | None]) -> Answer:
    """Repeated to a shape, as far as that is larger."""
    data, wanted = _first(given), numbers_of(given[1])
    if any(side < 0 for side in wanted):
        raise ValueError
    shape = broadcast(data.shape, wanted)
    return made(shape, [data], value=lambda: np.broadcast_to(_array(data), shape))


def arrange(given: Sequence[Operand | None]) -> Answer:
    """Numbers from a start, by a step, to a limit."""
    start, limit, step = (number_of(operand) for operand in given)
    count = max(-((start - limit) // step), 0)
    return made((count,), given, width=WIDE, value=lambda: np.arange(start, limit, step))


def sliced(given: Sequence[Operand | None]) -> Answer:
    """Data, starts, ends, then perhaps axes and steps."""
    data = _first(given)
    starts, ends = numbers_of(given[1]), numbers_of(given[2])
    axes = numbers_of(given[3]) if len(given) > 3 and given[3] is not None else list(range(len(starts)))  # noqa: PLR2004 -- see above
    steps = numbers_of(given[4]) if len(given) > 4 and given[4] is not None else [1] * len(starts)  # noqa: PLR2004 -- see above
    cut = [slice(None)] * len(data.shape)
    for axis, start, end, step in zip(places(axes, len(data.shape)), starts, ends, steps, strict=True):
        cut[axis] = slice(start, None if step < 0 and end < -data.shape[axis] else end, step)
    shape = [len(range(*part.indices(side))) for part, side in zip(cut, data.shape, strict=True)]
    if not data.exact:  # cut from the end, fewer may give more
        shape = list(data.shape)
    return made(shape, [data], value=lambda: _array(data)[tuple(cut)])


def transpose(given: Sequence[Operand | None], order: Sequence[int] | None) -> Answer:
    """With other order of the sides."""
    data = _first(given)
    order = list(order or range(len(data.shape))[::-1])
    if sorted(order) != list(range(len(data.shape))):
        raise ValueError
    return made([data.shape[at] for at in order], [data], work=3 * for_each(data.shape))


def reduce(given: Sequence[Operand | None], axes: Sequence[int] | None, *, keep: bool, width: int = 0) -> Answer:
    """One number in place of those along some axes."""
    data = _first(given)
    at = places(list(range(len(data.shape))) if axes is None else axes, len(data.shape))
    shape = [1 if place in at else side for place, side in enumerate(data.shape) if keep or place not in at]
    return made(shape, [data], work=for_each(data.shape), width=width, beside=data.num_bytes)


def split(given: Sequence[Operand | None], axis: int, lengths: Sequence[int]) -> Answer:
    """Parts along an axis."""
    data = _first(given)
    (axis,) = places([axis], len(data.shape))
    if any(length < 0 for length in lengths) or (data.exact and sum(lengths) != data.shape[axis]):
        raise ValueError
    shapes = [(*data.shape[:axis], length, *data.shape[axis + 1 :]) for length in lengths]
    values: list[np.ndarray | None] = [None] * len(shapes)
    if data.value is not None and data.exact:
        values = [*np.split(data.value, np.cumsum(lengths)[:-1], axis)]
    operands = [Operand(shape, data.width, value, data.exact) for shape, value in zip(shapes, values, strict=True)]
    return Answer(tuple(operands), for_each(data.shape))


def top(given: Sequence[Operand | None], axis: int) -> Answer:
    """The largest numbers along an axis, and their places."""
    data, count = _first(given), number_of(given[1])
    (axis,) = places([axis], len(data.shape))
    shape = (*data.shape[:axis], count, *data.shape[axis + 1 :])
    operands = (Operand(shape, data.width, None, data.exact), Operand(shape, WIDE, None, data.exact))
    return Answer(operands, 16 * for_each(data.shape, shape), 4 * data.num_bytes)


def rescaled(given: Sequence[Operand | None], factors: Sequence[float] | None, sizes: Sequence[int] | None) -> Answer:
    """Images of other sides."""
    data = _first(given)
    if (factors is None) == (sizes is None):
        raise ValueError
    shape = scaled(data.shape, factors) if factors is not None else tuple(sizes or ())
    if len(shape) != len(data.shape):
        raise ValueError
    return made(shape, [data])


def multiplied(
    left: Operand | None, right: Operand | None, extra: Operand | None, *, turned: tuple[bool, bool]
) -> Answer:
    """Matrices, perhaps with numbers added; turned: whether the last two sides of each change places."""
    if left is None or right is None:
        raise IndexError
    shapes: list[Shape] = [
        (*one.shape[:-2], one.shape[-1], one.shape[-2]) if turn else one.shape
        for one, turn in zip((left, right), turned, strict=True)
    ]
    shape = product(*shapes)
    if extra is not None:
        shape = broadcast(shape, extra.shape)
    slower = WIDE_TIMES if max(left.width, right.width) > 4 else 1  # noqa: PLR2004 -- bytes of the usual numbers
    work = for_product(shape, shapes[0][-1] * slower) + for_each(left.shape, right.shape) // 8
    return made(shape, [left, right, extra], work=work, beside=left.num_bytes + right.num_bytes)


def selected_boxes(given: Sequence[Operand | None]) -> Answer:
    """Suppression: boxes (B, K, 4), scores (B, C, K), most per class -> (S, 3), S only known when it ran."""
    boxes, scores = given[0], given[1]
    if boxes is None or scores is None or len(given) < 3:  # noqa: PLR2004 -- see above
        raise IndexError
    images, classes, candidates = scores.shape
    each = min(max(number_of(given[2]), 0), candidates)
    count = images * classes * each
    operands = (
        Operand((count, 3), WIDE, None, exact=False),
        Operand((count, 3), 4, None, exact=False),
        Operand((1,), WIDE),
    )
    work = 4 * for_each(scores.shape) + images * classes * candidates * each * PAIR
    return Answer(operands, work, 4 * scores.num_bytes + 32 * count)


def divided(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Whole numbers, cut towards zero. Raises ZeroDivisionError."""
    if not np.all(right):
        raise ZeroDivisionError
    return np.asarray(np.sign(left) * np.sign(right) * (np.abs(left) // np.abs(right)))


@dataclass(frozen=True)
class Window:
    """How a window moves over images, a number per side; around: numbers added, both ends together."""

    strides: Sequence[int]
    around: Sequence[int]
    gaps: Sequence[int]


def convolved(
    given: Sequence[Operand | None], window: Window, *, groups: int = 1, more: Sequence[int] | None = None
) -> Answer:
    """Images and weight; turned where `more` is given: numbers added to the sides of the answer."""
    images, weight = _first(given), given[1]
    if weight is None or not 0 < groups <= images.shape[1]:
        raise ValueError
    if more is None:
        shape = convolution(images.shape, weight.shape, window.strides, window.around, window.gaps)
        beside = math.prod(images.shape[:2]) * math.prod(padded(images.shape[2:], window.around)) * 4
    else:
        extra = [one - other for one, other in zip(more, window.around, strict=True)]
        shape = turned_convolution(images.shape, weight.shape, window.strides, extra, window.gaps, groups)
        beside = math.prod(images.shape[2:]) * math.prod(weight.shape[1:]) * groups * 4  # numbers before they are added
    work = for_kernel if more is None else for_turned_kernel
    return made(shape, given, work=work(images.shape, shape, weight.shape, groups), beside=beside)


def windowed(given: Sequence[Operand | None], windows: Sequence[int], window: Window, *, up: bool) -> Answer:
    """The largest number of each window, and its place."""
    images = _first(given)
    shape = pooled(images.shape, windows, window.strides, window.around, window.gaps, up=up)
    exact = images.exact and not up
    operands = (Operand(shape, images.width, None, exact), Operand(shape, WIDE, None, exact))
    return Answer(operands, for_windows(shape, windows))


def padded_by(given: Sequence[Operand | None], before: Sequence[int], behind: Sequence[int]) -> Answer:
    """With numbers around."""
    data = _first(given)
    around = [one + other for one, other in zip(before, behind, strict=True)]
    if len(around) != len(data.shape):
        raise ValueError
    return made(padded(data.shape, around), [data])
