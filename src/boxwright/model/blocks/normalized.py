# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation and SiLU in training, as one compiled pass each way where that is possible.

Only for bfloat16 features that lie side by side on a CPU: in float32 the framework's own functions stay the reference.
B images, C channels, H rows, W columns.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import nn

from boxwright.native import normalize
from boxwright.native.binary import applies_to

MOST_CHANNELS = 8192  # as in native/normalize.cpp


def can_be_fused(x: torch.Tensor, bn: nn.Module | None, act: nn.Module) -> bool:
    """Whether `fused` may stand for act(bn(x))."""
    return (
        type(bn) is nn.BatchNorm2d
        and bn.training
        and bn.weight is not None
        and bn.momentum is not None
        and type(act) is nn.SiLU
        and x.dtype == torch.bfloat16
        and bn.weight.dtype == torch.float32
        and x.shape[0] * x.shape[2] * x.shape[3] > 1
        and x.shape[1] <= MOST_CHANNELS
        and x.is_contiguous(memory_format=torch.channels_last)
        and applies_to(x)
    )


def fused(x: torch.Tensor, bn: nn.BatchNorm2d) -> torch.Tensor:
    """SiLU of the normalised x, running statistics kept. (B, C, H, W) bfloat16"""
    answer = _Normalized.apply(x, bn.weight, bn.bias, bn.eps)  # type: ignore[no-untyped-call]  # untyped there
    y, mean, variance = cast("tuple[torch.Tensor, torch.Tensor, torch.Tensor]", answer)
    if (
        bn.running_mean is not None
        and bn.running_var is not None
        and bn.num_batches_tracked is not None
        and bn.momentum is not None
    ):
        bn.running_mean.lerp_(mean, bn.momentum)
        bn.running_var.lerp_(variance, bn.momentum)
        bn.num_batches_tracked.add_(1)
    return y


class _Normalized(torch.autograd.Function):
    """Keeps its input only; what lies between normalisation and activation is computed again."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        y = torch.empty_like(x)
        mean, inverse, variance = (torch.empty_like(weight) for _ in range(3))
        places = mean.data_ptr(), inverse.data_ptr(), variance.data_ptr()
        normalize.forward(
            x.data_ptr(),
            _shape(x),
            (weight.data_ptr(), bias.data_ptr()),
            epsilon,
            y.data_ptr(),
            places,
            torch.get_num_threads(),
        )
        ctx.save_for_backward(x, weight, bias, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, bias, mean, inverse = ctx.saved_tensors
        dy = gradients[0].contiguous(memory_format=torch.channels_last)
        dx, dgamma, dbeta = torch.empty_like(x), torch.empty_like(weight), torch.empty_like(bias)
        places = dx.data_ptr(), dgamma.data_ptr(), dbeta.data_ptr()
        normalize.backward(
            x.data_ptr(),
            dy.data_ptr(),
            _shape(x),
            (weight.data_ptr(), bias.data_ptr()),
            (mean.data_ptr(), inverse.data_ptr()),
            places,
            torch.get_num_threads(),
        )
        return dx, dgamma, dbeta, None


def _shape(x: torch.Tensor) -> tuple[int, int]:
    return x.shape[0] * x.shape[2] * x.shape[3], x.shape[1]
