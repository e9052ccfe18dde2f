# SPDX-License-Identifier: Apache-2.0
"""Spatial pyramids and blocks without weights of their own."""

from __future__ import annotations

import torch
from torch import nn

from boxwright.model.blocks.activation import Activation
from boxwright.model.blocks.conv import Conv, width_inside


class SPP(nn.Module):
    """Max pools of several sizes side by side: He and others, 2014."""

    def __init__(self, c1: int, c2: int, kernels: tuple[int, ...] = (5, 9, 13), *, act: Activation) -> None:
        super().__init__()
        middle = width_inside(c1)
        self.cv1 = Conv(c1, middle, 1, 1, act=act)
        self.cv2 = Conv(middle * (len(kernels) + 1), c2, 1, 1, act=act)
        self.m = nn.ModuleList(nn.MaxPool2d(kernel, stride=1, padding=kernel // 2) for kernel in kernels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cv1(x)
        y: torch.Tensor = self.cv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))
        return y


class SPPF(nn.Module):
    """The same pyramid from three pools in a chain, with less work."""

    def __init__(self, c1: int, c2: int, kernel: int = 5, *, act: Activation) -> None:
        super().__init__()
        middle = width_inside(c1)
        self.cv1 = Conv(c1, middle, 1, 1, act=act)
        self.cv2 = Conv(4 * middle, c2, 1, 1, act=act)
        self.m = nn.MaxPool2d(kernel, stride=1, padding=kernel // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.cv1(x)
        once = self.m(x)
        twice = self.m(once)
        y: torch.Tensor = self.cv2(torch.cat((x, once, twice, self.m(twice)), 1))
        return y


class Concat(nn.Module):
    """Several inputs joined along the channels. (list of tensors) -> one"""

    def __init__(self, axis: int = 1) -> None:
        super().__init__()
        self.d = axis

    def forward(self, x: list[torch.Tensor]) -> torch.Tensor:
        return torch.cat(x, self.d)


class Contract(nn.Module):
    """Squares of pixels become channels: (B, C, H, W) -> (B, C g g, H / g, W / g), channel order row, column, C."""

    def __init__(self, gain: int = 2) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        g = self.gain
        return x.view(b, c, h // g, g, w // g, g).permute(0, 3, 5, 1, 2, 4).reshape(b, c * g * g, h // g, w // g)


class Expand(nn.Module):
    """The inverse of Contract: (B, C, H, W) -> (B, C / (g g), H g, W g)."""

    def __init__(self, gain: int = 2) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        b, c, h, w = x.shape
        g = self.gain
        return x.view(b, g, g, c // g**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(b, c // g**2, h * g, w * g)
