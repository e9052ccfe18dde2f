# SPDX-License-Identifier: Apache-2.0
"""Bottlenecks and the cross-stage blocks around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from boxwright.model.blocks.activation import Activation, batch_norm
from boxwright.model.blocks.conv import Conv, CrossConv, GhostBottleneck, width_inside
from boxwright.model.blocks.pool import SPP
from boxwright.model.blocks.transformer import TransformerBlock

if TYPE_CHECKING:
    from collections.abc import Iterable


class Bottleneck(nn.Module):
    """Narrow, widen, add."""

    def __init__(
        self, c1: int, c2: int, shortcut: bool = True, groups: int = 1, share: float = 0.5, *, act: Activation
    ) -> None:
        super().__init__()
        middle = width_inside(c2, share)
        self.cv1 = Conv(c1, middle, 1, 1, act=act)
        self.cv2 = Conv(middle, c2, 3, 1, None, groups, act=act)
        self.add = shortcut and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class BottleneckCSP(nn.Module):
    """The cross-stage block of 2020: plain convolutions on both ways, normalised together after joining."""

    def __init__(
        self,
        c1: int,
        c2: int,
        repeats: int = 1,
        shortcut: bool = True,
        groups: int = 1,
        share: float = 0.5,
        *,
        act: Activation,
        join: Activation,
    ) -> None:
        super().__init__()
        middle = width_inside(c2, share)
        self.cv1 = Conv(c1, middle, 1, 1, act=act)
        self.cv2 = nn.Conv2d(c1, middle, 1, 1, bias=False)
        self.cv3 = nn.Conv2d(middle, middle, 1, 1, bias=False)
        self.cv4 = Conv(2 * middle, c2, 1, 1, act=act)
        self.bn = batch_norm(2 * middle)
        self.act = join(2 * middle)
        self.m = nn.Sequential(*(Bottleneck(middle, middle, shortcut, groups, 1.0, act=act) for _ in range(repeats)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        joined = torch.cat((self.cv3(self.m(self.cv1(x))), self.cv2(x)), 1)
        y: torch.Tensor = self.cv4(self.act(self.bn(joined)))
        return y


class C3(nn.Module):
    """The cross-stage block with three convolutions.

    `inner` makes the layers of the long way; Bottlenecks by default.
    """

    def __init__(
        self,
        c1: int,
        c2: int,
        repeats: int = 1,
        shortcut: bool = True,
        groups: int = 1,
        share: float = 0.5,
        *,
        act: Activation,
    ) -> None:
        super().__init__()
        middle = width_inside(c2, share)
        self.cv1 = Conv(c1, middle, 1, 1, act=act)
        self.cv2 = Conv(c1, middle, 1, 1, act=act)
        self.cv3 = Conv(2 * middle, c2, 1, act=act)
        self.m: nn.Module = nn.Sequential(*self.inner(middle, repeats, shortcut, groups, act))

    def inner(self, width: int, repeats: int, shortcut: bool, groups: int, act: Activation) -> Iterable[nn.Module]:
        """The layers of the long way."""
        return (Bottleneck(width, width, shortcut, groups, 1.0, act=act) for _ in range(repeats))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))
        return y


class C3x(C3):
    """C3 with CrossConvs."""

    def inner(self, width: int, repeats: int, shortcut: bool, groups: int, act: Activation) -> Iterable[nn.Module]:
        return (CrossConv(width, width, 3, 1, groups, 1.0, shortcut, act=act) for _ in range(repeats))


class C3Ghost(C3):
    """C3 with GhostBottlenecks."""

    def inner(self, width: int, repeats: int, shortcut: bool, groups: int, act: Activation) -> Iterable[nn.Module]:
        del shortcut, groups
        return (GhostBottleneck(width, width, act=act) for _ in range(repeats))


class C3TR(C3):
    """C3 with one transformer of `repeats` layers."""

    def __init__(
        self,
        c1: int,
        c2: int,
        repeats: int = 1,
        shortcut: bool = True,
        groups: int = 1,
        share: float = 0.5,
        *,
        act: Activation,
    ) -> None:
        super().__init__(c1, c2, 0, shortcut, groups, share, act=act)
        middle = width_inside(c2, share)
        self.m = TransformerBlock(middle, middle, 4, repeats, act=act)


class C3SPP(C3):
    """C3 with a spatial pyramid."""

    def __init__(
        self,
        c1: int,
        c2: int,
        kernels: tuple[int, ...] = (5, 9, 13),
        repeats: int = 1,
        shortcut: bool = True,
        groups: int = 1,
        share: float = 0.5,
        *,
        act: Activation,
    ) -> None:
        super().__init__(c1, c2, repeats, shortcut, groups, share, act=act)
        middle = width_inside(c2, share)
        self.m = SPP(middle, middle, kernels, act=act)
