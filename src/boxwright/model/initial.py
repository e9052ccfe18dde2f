# SPDX-License-Identifier: Apache-2.0
"""Initial weights, each tensor from its own stream: independent of the order of building and of every global state."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from torch import nn

from boxwright.keyed import Purpose, generator
from boxwright.model.blocks.activation import AconC, MetaAconC


@torch.no_grad()
def initialize(network: nn.Module, seed: int) -> None:
    """Fill every parameter and buffer of a network: the framework's usual laws, drawn by seed and name."""
    for path, module in network.named_modules():
        match module:
            case nn.Conv2d() | nn.ConvTranspose2d() | nn.Linear():
                bound = 1 / math.sqrt(_fan_in(module.weight))
                _uniform(module.weight, f"{path}.weight", seed, bound)
                if module.bias is not None:
                    _uniform(module.bias, f"{path}.bias", seed, bound)
            case nn.BatchNorm2d():
                module.reset_parameters()
            case nn.MultiheadAttention():
                _initialize_attention(module, path, seed)
            case AconC() | MetaAconC():
                for name in ("p1", "p2"):
                    _normal(getattr(module, name), f"{path}.{name}", seed)
                if isinstance(module, AconC):
                    module.beta.fill_(1.0)


def _initialize_attention(module: nn.MultiheadAttention, path: str, seed: int) -> None:
    rows, columns = module.in_proj_weight.shape
    _uniform(module.in_proj_weight, f"{path}.in_proj_weight", seed, math.sqrt(6 / (rows + columns)))
    module.in_proj_bias.zero_()
    _uniform(module.out_proj.weight, f"{path}.out_proj.weight", seed, 1 / math.sqrt(columns))
    module.out_proj.bias.zero_()


def _fan_in(weight: torch.Tensor) -> int:
    return max(weight[0].numel(), 1)


def _stream(name: str, seed: int) -> np.random.Generator:
    return generator(seed, Purpose.WEIGHTS, zlib.crc32(name.encode()))


def _uniform(tensor: torch.Tensor, name: str, seed: int, bound: float) -> None:
    drawn = _stream(name, seed).random(tuple(tensor.shape), np.float32)
    tensor.copy_(torch.from_numpy(drawn).mul_(2 * bound).sub_(bound))


def _normal(tensor: torch.Tensor, name: str, seed: int) -> None:
    tensor.copy_(torch.from_numpy(_stream(name, seed).standard_normal(tuple(tensor.shape), np.float32)))
