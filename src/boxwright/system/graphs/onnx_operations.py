# SPDX-License-Identifier: Apache-2.0
"""The operators of ONNX files (operator set 17) that networks of this program are made of, and what each answers."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.system.graphs import operations as op
from boxwright.system.graphs.costs import for_each
from boxwright.system.graphs.graph import Answer, Operand, UnknownSizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KINDS: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("<u1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}


def _unary(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.same(given)


def _softplus(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.same(given, times=3)


def _identity(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.same(given, lambda value: value)


def _binary(how: Callable[..., Any] | None = None) -> Callable[..., Answer]:
    return lambda given, _words: op.elementwise(given, how)


def _cast(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    dtype = KINDS[words["to"]]
    return op.cast(given, dtype, op.width_of(dtype))


def _constant(_given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    value: Operand = words["value"]
    return Answer((value,), for_each(value.shape))


def _constant_of_shape(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    stored = words.get("value")
    fill = 0 if stored is None else stored.value
    shape = op.numbers_of(given[0])
    return op.made(shape, given, width=op.WIDE, value=None if fill is None else lambda: np.full(shape, fill))


def _sides(words: Mapping[str, Any], name: str, count: int, default: int) -> list[int]:
    """A number for each side of an image, from a default (0 or 1) on."""
    found = words.get(name, [default] * count)
    if len(found) != count or min(found) < default:
        raise ValueError
    return list(found)


def _around(words: Mapping[str, Any], count: int) -> list[int]:
    """What is added to each side, both ends together; the other ways to say so are none of ours."""
    if words.get("auto_pad", b"NOTSET") != b"NOTSET" or "output_shape" in words:
        raise UnknownSizeError("it leaves the sizes around images to the runtime")
    ends = _sides(words, "pads", 2 * count, 0)
    return [before + behind for before, behind in zip(ends[:count], ends[count:], strict=True)]


def _convolved(given: Sequence[Operand | None], words: Mapping[str, Any], *, turned: bool = False) -> Answer:
    weight = given[1]
    count = 0 if weight is None else len(weight.shape) - 2
    window = op.Window(_sides(words, "strides", count, 1), _around(words, count), _sides(words, "dilations", count, 1))
    more = _sides(words, "output_padding", count, 0)
    return op.convolved(given, window, groups=words.get("group", 1), more=more if turned else None)


def _max_pool(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    windows = _sides(words, "kernel_shape", len(words["kernel_shape"]), 1)
    count = len(windows)
    window = op.Window(_sides(words, "strides", count, 1), _around(words, count), _sides(words, "dilations", count, 1))
    return op.windowed(given, windows, window, up=bool(words.get("ceil_mode", 0)))


def _gemm(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    extra = given[2] if len(given) > 2 else None  # noqa: PLR2004 -- the third may be missing
    return op.multiplied(given[0], given[1], extra, turned=(bool(words.get("transA", 0)), bool(words.get("transB", 0))))


def _pad(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    ends = op.numbers_of(given[1])
    if len(given) > 3:  # noqa: PLR2004 -- data, ends, value
        raise ValueError
    return op.padded_by(given, ends[: len(ends) // 2], ends[len(ends) // 2 :])


def _reduce(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    if len(given) != 1:
        raise ValueError
    return op.reduce(given, words.get("axes"), keep=bool(words.get("keepdims", 1)))


def _arg_max(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    return op.reduce(given, [words.get("axis", 0)], keep=bool(words.get("keepdims", 1)), width=op.WIDE)


def _resize(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    if words.get("mode", b"nearest") not in {b"nearest", b"linear"}:
        raise UnknownSizeError("it scales images as no network of this program does")
    if set(words) & {"axes", "keep_aspect_ratio_policy"}:
        raise UnknownSizeError("it leaves the sizes of images to the runtime")
    scales = given[2] if len(given) > 2 else None  # noqa: PLR2004 -- data, region, factors, sizes
    sizes = given[3] if len(given) > 3 else None  # noqa: PLR2004 -- see above
    factors = None
    if scales is not None and scales.shape != (0,):
        if scales.value is None:
            raise UnknownSizeError("it makes sizes of numbers that only a run can know")
        factors = [float(factor) for factor in scales.value.ravel()]
    return op.rescaled(given, factors, None if sizes is None else op.numbers_of(sizes))


def _split(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    return op.split(given, words.get("axis", 0), op.numbers_of(given[1]))


def _shape(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    if words:
        raise ValueError
    return op.shape_of(given)


def _flatten(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    data = given[0]
    if data is None:
        raise IndexError
    axis = words.get("axis", 1) % (len(data.shape) + 1)
    return op.made((math.prod(data.shape[:axis]), math.prod(data.shape[axis:])), [data])


RULES: dict[str, Callable[[Sequence[Operand | None], Mapping[str, Any]], Answer]] = {
    "Add": _binary(np.add),
    "ArgMax": _arg_max,
    "BatchNormalization": _unary,
    "Cast": _cast,
    "Clip": _unary,
    "Concat": lambda given, words: op.concat(given, words["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _convolved,
    "ConvTranspose": lambda given, words: _convolved(given, words, turned=True),
    "Div": _binary(op.divided),
    "Equal": _binary(np.equal),
    "Expand": lambda given, _words: op.expand(given),
    "Flatten": _flatten,
    "Gather": lambda given, words: op.gather(given, words.get("axis", 0)),
    "GatherElements": lambda given, _words: op.gather_elements(given),
    "GatherND": lambda given, words: op.gather_nd(given, words.get("batch_dims", 0)),
    "Gemm": _gemm,
    "Greater": _binary(np.greater),
    "HardSigmoid": _unary,
    "HardSwish": _unary,
    "Identity": _identity,
    "LeakyRelu": _unary,
    "MatMul": lambda given, _words: op.multiplied(given[0], given[1], None, turned=(False, False)),
    "Max": _binary(lambda *values: functools.reduce(np.maximum, values)),
    "MaxPool": _max_pool,
    "Min": _binary(lambda *values: functools.reduce(np.minimum, values)),
    "Mul": _binary(np.multiply),
    "NonMaxSuppression": lambda given, _words: op.selected_boxes(given),
    "Pad": _pad,
    "Pow": lambda given, _words: op.elementwise(given, times=3),
    "Range": lambda given, _words: op.arrange(given),
    "ReduceMax": _reduce,
    "ReduceMean": _reduce,
    "Relu": _unary,
    "Reshape": lambda given, words: op.reshape(given, zero_copies=not words.get("allowzero", 0)),
    "Resize": _resize,
    "ScatterND": lambda given, _words: op.scattered(given),
    "Shape": _shape,
    "Sigmoid": _unary,
    "Slice": lambda given, _words: op.sliced(given),
    "Softmax": lambda given, words: op.softmax(given, words.get("axis", -1)),
    "Softplus": _softplus,
    "Split": _split,
    "Squeeze": lambda given, _words: op.squeeze(given, op.numbers_of(given[1]) if len(given) > 1 else None),
    "Sub": _binary(np.subtract),
    "Tanh": _unary,
    "TopK": lambda given, words: op.top(given, words.get("axis", -1)),
    "Transpose": lambda given, words: op.transpose(given, words.get("perm")),
    "Unsqueeze": lambda given, _words: op.unsqueeze(given, op.numbers_of(given[1])),
    "Where": _binary(np.where),
}
