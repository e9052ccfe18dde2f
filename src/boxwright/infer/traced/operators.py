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

if TYPE_CHECKING:
    from collections.abc import Callable

DTYPES = {5: torch.float16, 6: torch.float32}  # as programs number them
MOST_DIMENSIONS = 8
WIDEST = 8  # bytes per element; most take half of it
MOST_STEP = 4096  # of a stride, a side of a window, what is put around
SLOW = 32  # multiplications of a matrix product in the time of another operator for one element


@dataclass(frozen=True)
class Operator:
    """`gives`: kind of the answer. `words`: the only values that its keywords may have.

    `size`: elements of the answer, or more, from the arguments; None for a number. `inner`: multiplications for each of
    them.
    """

    run: Callable[..., Any]
    form: str
    gives: str = "t"
    size: Callable[..., int] | None = None
    words: tuple[tuple[str, Any], ...] = ()
    inner: Callable[..., int] | None = None

    def work(self, arguments: list[Any], made: int) -> int:
        """Multiplications, or what takes as long."""
        if self.inner is None:
            return made * SLOW
        return max(made, _same(*arguments)) * self.inner(*arguments)


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
    return max(tensor.numel(), tensor.untyped_storage().nbytes() // WIDEST + 1)


def _broadcast(left: torch.Tensor, right: torch.Tensor) -> int:
    return math.prod(torch.broadcast_shapes(left.shape, right.shape))  # type: ignore[no-untyped-call]  # untyped in the framework


def _listed(tensors: list[torch.Tensor], *_rest: Any) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _meshed(tensors: list[torch.Tensor]) -> int:
    return len(tensors) * math.prod(tensor.numel() for tensor in tensors)


def _columns(left: torch.Tensor, right: torch.Tensor, *_rest: Any) -> int:
    """Of a product of matrices: the right one of a layer is turned, so its longer side is enough."""
    return left.numel() // max(left.shape[-1], 1) * max(right.shape)


def _upsampled_size(tensor: torch.Tensor, _size: None, factors: list[float]) -> int:
    return math.ceil(tensor.numel() * math.prod(max(factor, 1.0) for factor in factors))


def _padded(tensor: torch.Tensor, sides: list[int], *_rest: Any) -> int:
    around = [*zip(sides[::2], sides[1::2], strict=True)]
    whole = [1] * len(around) + list(tensor.shape)
    grown = [size + abs(before) + abs(behind) for size, (before, behind) in zip(reversed(whole), around, strict=False)]
    return math.prod(grown) * math.prod(whole[: len(whole) - len(grown)])


def _convolved(images: torch.Tensor, weight: torch.Tensor, _bias: Any, *how: Any) -> int:
    strides, pads, gaps, turned, extra, groups = how[:6]
    channels = weight.shape[1] * groups if turned else weight.shape[0]
    made = images.shape[0] * channels
    for size, side, stride, pad, gap, more in zip(
        images.shape[2:], weight.shape[2:], strides, pads, gaps, extra, strict=True
    ):
        reach = abs(gap) * (side - 1)
        made *= (
            size * abs(stride) + reach + abs(more) + 1 if turned else (size + 2 * abs(pad)) // max(abs(stride), 1) + 1
        )
    return made


def _pooled(images: torch.Tensor, _sides: list[int], strides: list[int], pads: list[int], _gaps: list[int]) -> int:
    made = math.prod(images.shape[:-2])
    for size, stride, pad in zip(images.shape[-2:], strides, pads, strict=True):
        made *= (size + 2 * abs(pad)) // max(abs(stride), 1) + 1
    return made


# -- multiplications for each of them


def _of_kernel(_images: Any, weight: torch.Tensor, *_rest: Any) -> int:
    return weight.numel() // max(weight.shape[0], 1)


def _of_rows(left: torch.Tensor, *_rest: Any) -> int:
    return left.shape[-1]


def _of_window(_images: Any, sides: list[int], *_rest: Any) -> int:
    return math.prod(sides) * SLOW


aten = torch.ops.aten
OPERATORS: dict[str, Operator] = {
    "torch._convolution": Operator(aten._convolution, "t t t? P Z P b Z p b b b b", size=_convolved, inner=_of_kernel),  # noqa: SLF001 -- its name
    "torch.add": Operator(torch.add, "t t", size=_broadcast),
    "torch.batch_norm": Operator(torch.batch_norm, "t t t t t b f f b", size=_same),
    "torch.bmm": Operator(torch.bmm, "t t", size=_columns, inner=_of_rows),
    "torch.cat": Operator(torch.cat, "T i", size=_listed),
    "torch.chunk": Operator(torch.chunk, "t p", "T", size=_held),
    "torch.div": Operator(torch.div, "t t", size=_broadcast, words=(("rounding_mode", "trunc"),)),
    "torch.flatten": Operator(torch.flatten, "t i", size=_held),
    "torch.floor_divide": Operator(torch.floor_divide, "t t", size=_broadcast),
    "torch.hardswish": Operator(aten.hardswish, "t", size=_same),
    "torch.hardtanh": Operator(aten.hardtanh, "t f f", size=_same),
    "torch.leaky_relu": Operator(aten.leaky_relu, "t |f", size=_same),
    "torch.linear": Operator(aten.linear, "t t |t", size=_columns, inner=_of_rows),
    "torch.max_pool2d": Operator(torch.max_pool2d, "t P P Z P", size=_pooled, inner=_of_window),
    "torch.maximum": Operator(torch.maximum, "t t", size=_broadcast),
    "torch.mean": Operator(torch.mean, "t I b", size=_same),
    "torch.meshgrid": Operator(_meshgrid, "T", "T", size=_meshed, words=(("indexing", "ij"),)),
    "torch.mish": Operator(aten.mish, "t", size=_same),
    "torch.mul": Operator(torch.mul, "t t", size=_broadcast),
    "torch.pad": Operator(aten.pad, "t I s f", size=_padded),
    "torch.permute": Operator(torch.permute, "t I", size=_held),
    "torch.pow": Operator(torch.pow, "t i", size=_same),
    "torch.relu": Operator(torch.relu, "t", size=_same),
    "torch.reshape": Operator(torch.reshape, "t I", size=_held),
    "torch.select": Operator(torch.select, "t i i", size=_held),
    "torch.sigmoid": Operator(torch.sigmoid, "t", size=_same),
    "torch.silu": Operator(aten.silu, "t", size=_same),
    "torch.size": Operator(aten.size, "t i", "i"),
    "torch.slice": Operator(aten.slice, "t i i i |i", size=_held),
    "torch.softmax": Operator(torch.softmax, "t i", size=_same),
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
