# SPDX-License-Identifier: Apache-2.0
"""Folding.

A batch normalisation in evaluation is a fixed scale and shift, which the convolution before it can carry.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from boxwright.model.blocks.conv import Conv
from boxwright.model.detector import Detector


def fused(detector: Detector) -> Detector:
    """A copy for inference with every Conv folded; the original stays as it is."""
    folded = copy.deepcopy(detector).eval().requires_grad_(requires_grad=False)
    for module in folded.modules():
        if isinstance(module, Conv) and isinstance(module.bn, nn.BatchNorm2d):
            module.conv = folded_conv(module.conv, module.bn)
            module.bn = None
    return folded


@torch.no_grad()
def folded_conv(conv: nn.Conv2d, bn: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution with bias that does what both did."""
    with torch.device("meta"):
        shape = (
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            conv.stride,
            conv.padding,
            conv.dilation,
            conv.groups,
        )
        empty = nn.Conv2d(*shape, dtype=conv.weight.dtype)  # type: ignore[arg-type]  # sizes of an existing layer
    result = empty.to_empty(device=conv.weight.device).requires_grad_(requires_grad=False)
    assert bn.running_mean is not None  # statistics are tracked
    assert bn.running_var is not None
    assert result.bias is not None  # made with one
    scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
    result.weight.copy_(conv.weight * scale.view(-1, 1, 1, 1))
    result.bias.copy_(bn.bias - bn.running_mean * scale)
    if conv.bias is not None:
        result.bias.add_(conv.bias * scale)
    return result
