# SPDX-License-Identifier: Apache-2.0
"""A small transformer over the cells of a map. Tokens are (H * W, B, C)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from boxwright.model.blocks.activation import Activation
from boxwright.model.blocks.conv import Conv

if TYPE_CHECKING:
    import torch


class TransformerLayer(nn.Module):
    """Attention and two linear maps, each with a residual, without normalisation."""

    def __init__(self, channels: int, num_heads: int) -> None:
        super().__init__()
        self.q = nn.Linear(channels, channels, bias=False)
        self.k = nn.Linear(channels, channels, bias=False)
        self.v = nn.Linear(channels, channels, bias=False)
        self.ma = nn.MultiheadAttention(channels, num_heads)
        self.fc1 = nn.Linear(channels, channels, bias=False)
        self.fc2 = nn.Linear(channels, channels, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.ma(self.q(x), self.k(x), self.v(x))[0] + x
        y: torch.Tensor = self.fc2(self.fc1(x)) + x
        return y


class TransformerBlock(nn.Module):
    """Layers of attention over a map, with a learnt position."""

    def __init__(self, c1: int, c2: int, num_heads: int, num_layers: int, *, act: Activation) -> None:
        super().__init__()
        self.conv = Conv(c1, c2, act=act) if c1 != c2 else None
        self.linear = nn.Linear(c2, c2)
        self.tr = nn.Sequential(*(TransformerLayer(c2, num_heads) for _ in range(num_layers)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.conv is not None:
            x = self.conv(x)
        b, c, h, w = x.shape
        tokens = x.flatten(2).permute(2, 0, 1)
        y: torch.Tensor = self.tr(tokens + self.linear(tokens))
        return y.permute(1, 2, 0).reshape(b, c, h, w)
