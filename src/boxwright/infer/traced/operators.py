# SPDX-License-Identifier: Apache-2.0
"""The operators that traced networks of this family are made of: what each takes, what it gives, and what it costs.

A form is a word per argument: t tensor, b truth, i whole number, f number, I list of whole numbers, F list of numbers,
T list of tensors, s text, N None; p and P: written in the program, between 1 and a bound; Z: from 0 on; `|` before what
may be missing, `?` behind what may be None.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from boxwright.infer.traced.grammar import ForeignError
from boxwright.system.graphs import costs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DTYPES = {5: torch.float16, 6: torch.float32}  # as programs number them
MOST_DIMENSIONS = 8
LEAST_WIDTH = 4  # bytes per element; those in half precision are widened while they are worked on
GROUP = 1 << 17  # multiplications in the time that a group of a convolution takes beside its own
MOST_STEP = 4096  # of a stride, a side of a window, what is put around


def _for_each(made: int, *_arguments: Any) -> int:
    return costs.for_each((made,))


def _for_each_slowly(made: int, *_arguments: Any) -> int:
    """Of what goes through memory in another order, or in short rows."""
    return 6 * costs.for_each((made,))


@dataclass(frozen=True)
class Operator:
    """`gives`: kind of the answer. `words`: the only values that its keywords may have.

    `size`: elements of the answer, or more, from the arguments; None for a number. `work`: multiplications for an
    answer of so many elements, or what takes as long.
    """

    run: Callable[..., Any]
    form: str
    gives: str = "t"
    size: Callable[..., int] | None = None
    words: tuple[tuple[str, Any], ...] = ()
    work: Callable[..., int] = _for_each


def _to(tensor: torch.Tensor, number: int) -> torch.Tensor:
    return tensor.to(DTYPES[number])


def _meshgrid(tensors: list[torch.Tensor], indexing: str) -> tuple[torch.Tensor, ...]:
    return torch.meshgrid(*tensors, indexing=indexing)


def _upsampled(tensor: torch.Tensor, _size: None, factors: list[float]) -> torch.Tensor:
    return torch.ops.aten.upsample_nearest2d(tensor, None, factors)  # type: ignore[no-any-return]  # it is a tensor


# -- elements of answers


def _same(tensor: torch.Tensor, *_rest: Any) -> int:
    return tensor.numel()


def _held(tensor: torch.Tensor, *_rest: Any) -> int:
    """Of a view: all of what it keeps from being freed."""
    return max(tensor.numel(), tensor.untyped_storage().nbytes() // LEAST_WIDTH + 1)


def _broadcast(left: torch.Tensor, right: torch.Tensor) -> int:
    return math.prod(costs.broadcast(left.shape, right.shape))


def _listed(tensors: list[torch.Tensor], *_rest: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _meshed(tensors: list[torch.Tensor]) -> int:
    return len(tensors) * math.prod(tensor.numel() for tensor in tensors)


def _multiplied(left: torch.Tensor, right: torch.Tensor, *_rest: Any) -> int:
    return math.prod(costs.product(left.shape, right.shape))


def _linear(left: torch.Tensor, weight: torch.Tensor, *_rest: Any) -> int:
    return math.prod(costs.product(left.shape, weight.shape[::-1]))


def _upsampled_size(tensor: torch.Tensor, _size: None, factors: list[float]) -> int:
    whole = [1.0] * (tensor.dim() - len(factors)) + [max(factor, 1.0) for factor in factors]
    return math.prod(costs.scaled(tensor.shape, whole))


def _padded(tensor: torch.Tensor, sides: list[int], *_rest: Any) -> int:
    ends = [*zip(sides[::2], sides[1::2], strict=True)][::-1]
    around = [0] * (tensor.dim() - len(ends)) + [abs(before) + abs(behind) for before, behind in ends]
    return math.prod(costs.padded(tensor.shape, around))


def _convolved_shape(images: torch.Tensor, weight: torch.Tensor, how: Sequence[Any]) -> costs.Shape:
    strides, pads, gaps, turned, extra, groups = how[:6]
    if turned:
        more = [one - 2 * other for one, other in zip(extra, pads, strict=True)]
        return costs.turned_convolution(images.shape, weight.shape, strides, more, gaps, groups)
    return costs.convolution(images.shape, weight.shape, strides, [2 * pad for pad in pads], gaps)


def _convolved(images: torch.Tensor, weight: torch.Tensor, _bias: Any, *how: Any) -> int:
    return math.prod(_convolved_shape(images, weight, how))


def _pooled(images: torch.Tensor, sides: list[int], strides: list[int], pads: list[int], gaps: list[int]) -> int:
    return math.prod(costs.pooled(images.shape, sides, strides, [2 * pad for pad in pads], gaps))


# -- multiplications for an answer of so many elements


def _of_kernel(_made: int, images: torch.Tensor, weight: torch.Tensor, _bias: Any, *how: Any) -> int:
    work = costs.for_turned_kernel if how[3] else costs.for_kernel
    groups: int = how[5]
    return work(images.shape, _convolved_shape(images, weight, how), weight.shape, groups) + GROUP * groups


def _of_rows(_made: int, left: torch.Tensor, weight: torch.Tensor, *_rest: Any) -> int:
    return costs.for_product(costs.product(left.shape, weight.shape[::-1]), left.shape[-1]) + costs.for_each(left.shape)


def _of_matrices(_made: int, left: torch.Tensor, right: torch.Tensor) -> int:
    return costs.for_product(costs.product(left.shape, right.shape), left.shape[-1]) + costs.for_each(left.shape)


def _of_window(made: int, _images: Any, sides: list[int], *_rest: Any) -> int:
    return costs.for_windows((made,), sides)


aten = torch.ops.aten
OPERATORS: dict[str, Operator] = {
    "torch._convolution": Operator(aten._convolution, "t t t? P Z P b Z p b b b b", size=_convolved, work=_of_kernel),  # noqa: SLF001 -- its name
    "torch.add": Operator(torch.add, "t t", size=_broadcast),
    "torch.batch_norm": Operator(torch.batch_norm, "t t t t t b f f b", size=_same),
    "torch.bmm": Operator(torch.bmm, "t t", size=_multiplied, work=_of_matrices),
    "torch.cat": Operator(torch.cat, "T i", size=_listed),
    "torch.chunk": Operator(torch.chunk, "t p", "T", size=_held),
    "torch.div": Operator(torch.div, "t t", size=_broadcast, words=(("rounding_mode", "trunc"),)),
    "torch.flatten": Operator(torch.flatten, "t i", size=_held, work=_for_each_slowly),
    "torch.floor_divide": Operator(torch.floor_divide, "t t", size=_broadcast),
    "torch.hardswish": Operator(aten.hardswish, "t", size=_same),
    "torch.hardtanh": Operator(aten.hardtanh, "t f f", size=_same),
    "torch.leaky_relu": Operator(aten.leaky_relu, "t |f", size=_same),
    "torch.linear": Operator(aten.linear, "t t |t", size=_linear, work=_of_rows),
    "torch.max_pool2d": Operator(torch.max_pool2d, "t P P Z P", size=_pooled, work=_of_window),
    "torch.maximum": Operator(torch.maximum, "t t", size=_broadcast),
    "torch.mean": Operator(torch.mean, "t I b", size=_same),
    "torch.meshgrid": Operator(_meshgrid, "T", "T", size=_meshed, words=(("indexing", "ij"),)),
    "torch.mish": Operator(aten.mish, "t", size=_same),
    "torch.mul": Operator(torch.mul, "t t", size=_broadcast),
    "torch.pad": Operator(aten.pad, "t I s f", size=_padded),
    "torch.permute": Operator(torch.permute, "t I", size=_held),
    "torch.pow": Operator(torch.pow, "t i", size=_same),
    "torch.relu": Operator(torch.relu, "t", size=_same),
    "torch.reshape": Operator(torch.reshape, "t I", size=_held, work=_for_each_slowly),
    "torch.select": Operator(torch.select, "t i i", size=_held),
    "torch.sigmoid": Operator(torch.sigmoid, "t", size=_same),
    "torch.silu": Operator(aten.silu, "t", size=_same),
    "torch.size": Operator(aten.size, "t i", "i"),
    "torch.slice": Operator(aten.slice, "t i i i |i", size=_held),
    "torch.softmax": Operator(torch.softmax, "t i", size=_same, work=_for_each_slowly),
    "torch.stack": Operator(torch.stack, "T i", size=_listed),
    "torch.sub": Operator(torch.sub, "t t", size=_broadcast),
    "torch.to": Operator(_to, "t i", size=_held),
    "torch.transpose": Operator(torch.transpose, "t i i", size=_held),
    "torch.type_as": Operator(torch.Tensor.type_as, "t t", size=_held),
    "torch.upsample_nearest2d": Operator(_upsampled, "t N F", size=_upsampled_size),
    "torch.view": Operator(torch.Tensor.view, "t I", size=_held),
    "ops.prim.NumToTensor": Operator(torch.tensor, "i"),
    "int": Operator(int, "t", "i"),
    "annotate": Operator(torch.Tensor.item, "t", "i"),
}
# Whole numbers are arranged where the images are, whatever device the program was traced on.
ARRANGE = "torch.arange"
ARRANGE_WORDS = {"dtype": None, "layout": None, "device": torch.device("cpu"), "pin_memory": False}


def require_form(operator: str, form: str, arguments: list[Any], kinds: list[str]) -> None:
    """Raise ForeignError for arguments that an operator does not get from the exporter."""
    wanted = form.split()
    needed = sum("|" not in word for word in wanted)
    given = zip(arguments, kinds, wanted, strict=False)
    if not needed <= len(kinds) <= len(wanted) or not all(
        _fits(value, kind, word.strip("|")) for value, kind, word in given
    ):
        raise ForeignError(f"its program calls {operator[:60]} in a way that no network of this program needs")


def _fits(value: Any, kind: str, wanted: str) -> bool:
    if wanted in _WRITTEN:
        numbers = value if type(value) is list and wanted != "p" else [value]
        return len(numbers) <= MOST_DIMENSIONS and all(
            type(number) is int and _WRITTEN[wanted] <= number <= MOST_STEP for number in numbers
        )
    return kind == wanted.strip("?") or (kind, wanted) == ("E", "I") or (kind == "N" and wanted.endswith("?"))


_WRITTEN = {"p": 1, "P": 1, "Z": 0}  # kinds that are no slots, with their least value
