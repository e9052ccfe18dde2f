# SPDX-License-Identifier: Apache-2.0
"""Convolution blocks: a bias-free convolution, batch normalisation, an activation, and their relatives."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import nn

from boxwright.model.blocks.activation import NO_ACTIVATION, Activation, batch_norm
from boxwright.model.blocks.normalized import can_be_fused, fused

Size = int | tuple[int, int]


def same_padding(kernel: Size, dilation: int = 1) -> Size:
    """Padding that keeps the size at stride 1."""
    if isinstance(kernel, tuple):
        return (dilation * (kernel[0] - 1) + 1) // 2, (dilation * (kernel[1] - 1) + 1) // 2
    return (dilation * (kernel - 1) + 1) // 2


def width_inside(channels: int, share: float = 0.5) -> int:
    """Channels inside a block: this share of its width, rounded down. Raises ValueError when none is left."""
    if not (width := int(channels * share)):
        raise ValueError(f"a share of {share:g} of {channels} channels leaves none")
    return width


class Conv(nn.Module):
    """Convolution, batch normalisation, activation. After folding, `bn` is gone and `conv` has a bias."""

    def __init__(
        self,
        c1: int,
        c2: int,
        kernel: Size = 1,
        stride: Size = 1,
        padding: int | None = None,
        groups: int = 1,
        dilation: int = 1,
        *,
        act: Activation,
    ) -> None:
        super().__init__()
        pad = same_padding(kernel, dilation) if padding is None else padding
        self.conv = nn.Conv2d(c1, c2, kernel, stride, pad, groups=groups, dilation=dilation, bias=False)
        self.bn: nn.Module | None = batch_norm(c2)
        self.act = act(c2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        if can_be_fused(x, self.bn, self.act):
            return fused(x, cast("nn.BatchNorm2d", self.bn))
        y: torch.Tensor = self.act(x if self.bn is None else self.bn(x))
        return y


class DWConv(Conv):
    """Convolution within groups: as many as input and output share."""

    def __init__(
        self, c1: int, c2: int, kernel: Size = 1, stride: Size = 1, dilation: int = 1, *, act: Activation
    ) -> None:
        super().__init__(c1, c2, kernel, stride, None, math.gcd(c1, c2), dilation, act=act)


class DWConvTranspose2d(nn.ConvTranspose2d):
    """Transposed convolution within groups."""

    def __init__(
        self, c1: int, c2: int, kernel: int = 1, stride: int = 1, padding: int = 0, output_padding: int = 0
    ) -> None:
        super().__init__(c1, c2, kernel, stride, padding, output_padding, groups=math.gcd(c1, c2))


class Focus(nn.Module):
    """The four phases of the pixel grid as channels (rows first), then a convolution: halves the size."""

    def __init__(
        self,
        c1: int,
        c2: int,
        kernel: Size = 1,
        stride: Size = 1,
        padding: int | None = None,
        groups: int = 1,
        *,
        act: Activation,
    ) -> None:
        super().__init__()
        self.conv = Conv(4 * c1, c2, kernel, stride, padding, groups, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        phases = (x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2])
        y: torch.Tensor = self.conv(torch.cat(phases, 1))
        return y


class GhostConv(nn.Module):
    """Half of the channels by convolution, the other half from them by a cheap depthwise one: Han and others, 2020."""

    def __init__(
        self, c1: int, c2: int, kernel: Size = 1, stride: Size = 1, groups: int = 1, *, act: Activation
    ) -> None:
        super().__init__()
        half = width_inside(c2)
        self.cv1 = Conv(c1, half, kernel, stride, None, groups, act=act)
        self.cv2 = Conv(half, half, 5, 1, None, half, act=act)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.cv1(x)
        return torch.cat((y, self.cv2(y)), 1)


class GhostBottleneck(nn.Module):
    """Two GhostConvs with a shortcut that is always added."""

    def __init__(self, c1: int, c2: int, kernel: int = 3, stride: int = 1, *, act: Activation) -> None:
        super().__init__()
        half, halves_size = width_inside(c2), stride == 2  # noqa: PLR2004 -- the family's rule
        self.conv = nn.Sequential(
            GhostConv(c1, half, 1, 1, act=act),
            DWConv(half, half, kernel, stride, act=NO_ACTIVATION) if halves_size else nn.Identity(),
            GhostConv(half, c2, 1, 1, act=NO_ACTIVATION),
        )
        bypass = (DWConv(c1, c1, kernel, stride, act=NO_ACTIVATION), Conv(c1, c2, 1, 1, act=NO_ACTIVATION))
        self.shortcut = nn.Sequential(*bypass) if halves_size else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.conv(x) + self.shortcut(x)
        return y


class CrossConv(nn.Module):
    """A row-wise, then a column-wise convolution."""

    def __init__(
        self,
        c1: int,
        c2: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        share: float = 1.0,
        shortcut: bool = False,
        *,
        act: Activation,
    ) -> None:
        super().__init__()
        middle = width_inside(c2, share)
        self.cv1 = Conv(c1, middle, (1, kernel), (1, stride), act=act)
        self.cv2 = Conv(middle, c2, (kernel, 1), (stride, 1), None, groups, act=act)
        self.add = shortcut and c1 == c2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.cv2(self.cv1(x))
        return x + y if self.add else y


class MixConv2d(nn.Module):
    """Kernels of several sizes side by side: Tan and Le, 'MixConv', 2019."""

    def __init__(
        self,
        c1: int,
        c2: int,
        kernels: tuple[int, ...] = (1, 3),
        stride: int = 1,
        equal_channels: bool = True,
        *,
        act: Activation,
    ) -> None:
        super().__init__()
        widths = _equal_widths(c2, len(kernels)) if equal_channels else _widths_of_equal_weight(c2, kernels)
        if min(widths) < 1:
            raise ValueError(f"{c2} channels are too few for {len(kernels)} kernels")
        self.m = nn.ModuleList(
            nn.Conv2d(c1, w, k, stride, k // 2, groups=math.gcd(c1, w), bias=False)
            for k, w in zip(kernels, widths, strict=True)
        )
        self.bn = batch_norm(c2)
        self.act = act(c2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.act(self.bn(torch.cat([m(x) for m in self.m], 1)))
        return y


def _equal_widths(channels: int, parts: int) -> list[int]:
    """Channels dealt evenly.

    Channel i goes to share i * parts / (channels - 1), rounded down, whole quotients to the share before.
    """
    shares = [math.floor(i * (parts - 1e-6) / max(channels - 1, 1)) for i in range(channels)]
    return [shares.count(part) for part in range(parts)]


def _widths_of_equal_weight(channels: int, kernels: tuple[int, ...]) -> list[int]:
    """Channels dealt so that every kernel size has about as many weights.

    The first share takes what rounding leaves.
    """
    inverse = [1 / k**2 for k in kernels]
    widths = [round(channels * share / sum(inverse)) for share in inverse]
    widths[0] += channels - sum(widths)
    return widths
