# SPDX-License-Identifier: Apache-2.0
"""The layers of OpenVINO files that networks of this program are made of, by type and version, with their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.system.graphs import operations as op
from boxwright.system.graphs.graph import Answer, Operand, UnknownSizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KINDS: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "f16": np.dtype("<f2"),
    "f64": np.dtype("<f8"),
    "i64": np.dtype("<i8"),
    "i32": np.dtype("<i4"),
    "i8": np.dtype("<i1"),
    "u64": np.dtype("<u8"),
    "u32": np.dtype("<u4"),
    "u8": np.dtype("<u1"),
    "boolean": np.dtype("?"),
}
_TRUTHS = {"true": True, "false": False}


def _numbers(words: Mapping[str, Any], name: str, least: int) -> list[int]:
    """A list of whole numbers as the format writes it."""
    found = [int(part) for part in words[name].split(",")]
    if len(found) > 16 or min(found) < least:  # noqa: PLR2004 -- more than sides of images
        raise ValueError
    return found


def _unary(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.same(given)


def _slow_unary(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.same(given, times=3)


def _binary(how: Callable[..., Any] | None = None) -> Callable[..., Answer]:
    def answer(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
        if words.get("auto_broadcast", "numpy") != "numpy":
            raise ValueError
        return op.elementwise(given, how)

    return answer


def _divide(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    down = _TRUTHS[words.get("m_pythondiv", "true")]
    return _binary(np.floor_divide if down else op.divided)(given, words)


def _convert(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    dtype = KINDS[words["destination_type"]]
    return op.cast(given, dtype, dtype.itemsize)


def _broadcast(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    if words.get("mode", "numpy") not in {"numpy", "bidirectional"}:
        raise ValueError
    return op.expand(given[:2])


def _window(words: Mapping[str, Any]) -> op.Window:
    if words.get("auto_pad", "explicit") != "explicit":
        raise UnknownSizeError("it leaves the sizes around images to the runtime")
    ends = (_numbers(words, name, 0) for name in ("pads_begin", "pads_end"))
    around = [before + behind for before, behind in zip(*ends, strict=True)]
    return op.Window(_numbers(words, "strides", 1), around, _numbers(words, "dilations", 1))


def _convolved(
    given: Sequence[Operand | None], words: Mapping[str, Any], *, turned: bool = False, grouped: bool = False
) -> Answer:
    images, weight = given  # a third operand would be a size
    groups = 1
    if weight is None:
        raise IndexError
    if grouped:
        groups, first, second, *window = weight.shape
        weight = Operand((groups * first, second, *window), weight.width)
    more = _numbers(words, "output_padding", 0) if "output_padding" in words else [0] * (len(weight.shape) - 2)
    return op.convolved([images, weight], _window(words), groups=groups, more=more if turned else None)


def _interpolate(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    data, wanted = given[0], given[1]
    if data is None or wanted is None or any(any(_numbers(words, name, 0)) for name in ("pads_begin", "pads_end")):
        raise ValueError
    if words["mode"] not in {"nearest", "linear", "linear_onnx"}:
        raise UnknownSizeError("it scales images as no network of this program does")
    axes = list(range(len(data.shape)))
    if len(given) > 2:  # noqa: PLR2004 -- data, sizes or factors, axes
        axes = op.places(op.numbers_of(given[2]), len(data.shape))
    if words["shape_calculation_mode"] == "sizes":
        sizes = list(data.shape)
        for axis, size in zip(axes, op.numbers_of(wanted), strict=True):
            sizes[axis] = size
        return op.rescaled([data], None, sizes)
    if wanted.value is None:
        raise UnknownSizeError("it makes sizes of numbers that only a run can know")
    factors = [1.0] * len(data.shape)
    for axis, factor in zip(axes, wanted.value.ravel(), strict=True):
        factors[axis] = float(factor)
    return op.rescaled([data], factors, None)


def _gather(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    if int(words.get("batch_dims", "0")):
        raise ValueError
    return op.gather(given[:2], op.number_of(given[2]))


def _slice(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    data, starts, ends, steps, *axes = given
    return op.sliced([data, starts, ends, axes[0] if axes else None, steps])


def _pad(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.padded_by(given[:1], op.numbers_of(given[1]), op.numbers_of(given[2]))


def _reduce(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    return op.reduce(given[:1], op.numbers_of(given[1]), keep=_TRUTHS[words.get("keep_dims", "false")])


def _matrices(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    turned = tuple(_TRUTHS[words.get(name, "false")] for name in ("transpose_a", "transpose_b"))
    return op.multiplied(given[0], given[1], None, turned=(turned[0], turned[1]))


def _max_pool(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    up = {"floor": False, "ceil": True}[words.get("rounding_type", "floor")]
    return op.windowed(given, _numbers(words, "kernel", 1), _window(words), up=up)


def _parts(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    data, axis, lengths = given[0], op.number_of(given[1]), op.numbers_of(given[2])
    if data is None:
        raise IndexError
    left = data.shape[axis] - sum(length for length in lengths if length >= 0)
    return op.split(given[:1], axis, [left if length == -1 else length for length in lengths])


def _even_parts(given: Sequence[Operand | None], words: Mapping[str, Any]) -> Answer:
    data, axis, count = given[0], op.number_of(given[1]), int(words["num_splits"])
    if data is None or not 0 < count <= op.MOST_PARTS:
        raise ValueError
    return op.split(given[:1], axis, [data.shape[axis] // count] * count)


def _squeeze(given: Sequence[Operand | None], _words: Mapping[str, Any]) -> Answer:
    return op.squeeze(given[:1], op.numbers_of(given[1]) if len(given) > 1 else None)


_UNARY = ("Clamp-1", "HSigmoid-5", "HSwish-4", "ReLU-1", "Sigmoid-1", "Tanh-1", "Swish-4", "BatchNormInference-5")
RULES: dict[str, Callable[[Sequence[Operand | None], Mapping[str, Any]], Answer]] = {
    **dict.fromkeys(_UNARY, _unary),
    **dict.fromkeys(("Mish-4", "SoftPlus-4"), _slow_unary),
    **dict.fromkeys(("ScatterNDUpdate-3", "ScatterNDUpdate-15"), lambda given, _words: op.scattered(given)),
    **dict.fromkeys(("SoftMax-1", "SoftMax-8"), lambda given, words: op.softmax(given, int(words.get("axis", "1")))),
    "Add-1": _binary(np.add),
    "Broadcast-3": _broadcast,
    "Concat-1": lambda given, words: op.concat(given, int(words["axis"])),
    "Convert-1": _convert,
    "Convolution-1": _convolved,
    "ConvolutionBackpropData-1": lambda given, words: _convolved(given, words, turned=True),
    "Divide-1": _divide,
    "Equal-1": _binary(np.equal),
    "Gather-8": _gather,
    "GatherElements-6": lambda given, _words: op.gather_elements(given),
    "GatherND-8": lambda given, words: op.gather_nd(given, int(words.get("batch_dims", "0"))),
    "Greater-1": _binary(np.greater),
    "GroupConvolution-1": lambda given, words: _convolved(given, words, grouped=True),
    "GroupConvolutionBackpropData-1": lambda given, words: _convolved(given, words, turned=True, grouped=True),
    "Identity-16": lambda given, _words: op.same(given, lambda value: value),
    "Interpolate-11": _interpolate,
    "MatMul-1": _matrices,
    "MaxPool-8": _max_pool,
    "Maximum-1": _binary(np.maximum),
    "Minimum-1": _binary(np.minimum),
    "Multiply-1": _binary(np.multiply),
    "NonMaxSuppression-9": lambda given, _words: op.selected_boxes(given),
    "PReLU-1": _unary,
    "Pad-12": _pad,
    "Power-1": lambda given, _words: op.elementwise(given, times=3),
    "Range-4": lambda given, _words: op.arrange(given),
    "ReduceMax-1": _reduce,
    "ReduceMean-1": _reduce,
    "Reshape-1": lambda given, words: op.reshape(given, zero_copies=_TRUTHS[words["special_zero"]]),
    "Result-1": lambda _given, _words: Answer((), 0),
    "Select-1": _binary(np.where),
    "ShapeOf-3": lambda given, _words: op.shape_of(given),
    "Slice-8": _slice,
    "Split-1": _even_parts,
    "Squeeze-1": _squeeze,
    "Subtract-1": _binary(np.subtract),
    "TopK-11": lambda given, words: op.top(given, int(words["axis"])),
    "Transpose-1": lambda given, _words: op.transpose(given[:1], op.numbers_of(given[1])),
    "Unsqueeze-1": lambda given, _words: op.unsqueeze(given[:1], op.numbers_of(given[1])),
    "VariadicSplit-1": _parts,
}
