# SPDX-License-Identifier: Apache-2.0
"""From a row to a module. One entry per block of the signature table; arguments come in the order of its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from boxwright.errors import ModelError
from boxwright.model.blocks import conv, csp, pool
from boxwright.model.blocks.activation import Activation, batch_norm
from boxwright.model.head import Detect
from boxwright.model.spec import ModelSpec, Row

if TYPE_CHECKING:
    from collections.abc import Callable

FAULTS = (
    RuntimeError,
    ValueError,
    TypeError,
    AssertionError,
    IndexError,
    ZeroDivisionError,
)  # of the framework, when sizes do not fit


class Style(NamedTuple):
    """What every block of one model shares."""

    act: Activation
    join: Activation  # inside BottleneckCSP
    spec: ModelSpec


def module_of(row: Row, style: Style) -> nn.Module:
    """The module of one row; a row repeated in sequence becomes a Sequential.

    Raises ModelError where its arguments do not go together.
    """
    builder = BUILDERS[row.block]
    try:
        first = builder(row, row.in_channels[0], style)
        if row.sequence == 1:
            return first
        return nn.Sequential(first, *(builder(row, row.out_channels, style) for _ in range(row.sequence - 1)))
    except FAULTS as error:
        raise ModelError(
            row.place, f"{row.title}: {first_line(error)}", "Mend its arguments or the channels that come in"
        ) from None


def first_line(error: Exception) -> str:
    """What the framework says of a fault, without its stack of details."""
    return str(error).split("\n")[0].strip() or type(error).__name__


def _with_act_word(block: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Blocks whose last argument chooses the activation."""

    def build(row: Row, c1: int, style: Style) -> nn.Module:
        *arguments, choice = row.arguments
        return block(c1, *arguments, act=style.act.chosen(choice))

    return build


def _plain(block: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Blocks that use the model's activation."""
    return lambda row, c1, style: block(c1, *row.arguments, act=style.act)


def _cross_stage(block: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    """Blocks with a repeat number after the width."""
    return lambda row, c1, style: block(c1, row.arguments[0], row.inner, *row.arguments[1:], act=style.act)


def _bottleneck_csp(row: Row, c1: int, style: Style) -> nn.Module:
    return csp.BottleneckCSP(c1, row.arguments[0], row.inner, *row.arguments[1:], act=style.act, join=style.join)


def _detect(row: Row, c1: int, style: Style) -> nn.Module:
    del c1
    return Detect(style.spec.num_classes, torch.tensor(style.spec.anchors_px), row.in_channels)


def _upsample(row: Row, c1: int, style: Style) -> nn.Module:
    del c1, style
    _, factor, mode = row.arguments
    return nn.Upsample(None, factor, mode)


def _without_channels(block: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda row, _c1, _style: block(*row.arguments)


def _with_channels(block: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    return lambda row, c1, _style: block(c1, *row.arguments)


def _zero_pad(row: Row, c1: int, style: Style) -> nn.Module:
    del c1, style
    sides: Any = row.arguments[0]
    return nn.ZeroPad2d(sides)


BUILDERS: dict[str, Callable[[Row, int, Style], nn.Module]] = {
    "Conv": _with_act_word(conv.Conv),
    "DWConv": _with_act_word(conv.DWConv),
    "Focus": _with_act_word(conv.Focus),
    "GhostConv": _with_act_word(conv.GhostConv),
    "GhostBottleneck": _plain(conv.GhostBottleneck),
    "CrossConv": _plain(conv.CrossConv),
    "MixConv2d": _plain(conv.MixConv2d),
    "DWConvTranspose2d": _with_channels(conv.DWConvTranspose2d),
    "Bottleneck": _plain(csp.Bottleneck),
    "BottleneckCSP": _bottleneck_csp,
    "C3": _cross_stage(csp.C3),
    "C3x": _cross_stage(csp.C3x),
    "C3TR": _cross_stage(csp.C3TR),
    "C3Ghost": _cross_stage(csp.C3Ghost),
    "C3SPP": _plain(csp.C3SPP),
    "SPP": _plain(pool.SPP),
    "SPPF": _plain(pool.SPPF),
    "Concat": _without_channels(pool.Concat),
    "Contract": _without_channels(pool.Contract),
    "Expand": _without_channels(pool.Expand),
    "Detect": _detect,
    "nn.Upsample": _upsample,
    "nn.ConvTranspose2d": _with_channels(nn.ConvTranspose2d),
    "nn.MaxPool2d": _without_channels(nn.MaxPool2d),
    "nn.ZeroPad2d": _zero_pad,
    "nn.BatchNorm2d": lambda _row, c1, _style: batch_norm(c1),
    "nn.Identity": _without_channels(nn.Identity),
}
