# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation over the images of all processes (`--sync-bn`). C channels.

Statistics are added up in float64 in the forward pass, their gradients in the backward pass, on any device: N processes
normalise as one would that has the whole batch. A process without images takes part with nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from boxwright.engine.step_exchange import StepExchange

SUMMED = (0, 2, 3)


class _Normalized(torch.autograd.Function):
    """(B, C, H, W) -> (B, C, H, W) by the statistics of all processes, which come back beside it."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor, eps: float, exchange: StepExchange
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        channels, wide = x.shape[1], x.double() if x.dtype == torch.float64 else x.float()
        count = x.numel() // channels
        mean = wide.sum(SUMMED).double() / max(count, 1)
        spread = (wide - mean.to(wide.dtype)[:, None, None]).square().sum(SUMMED).double()
        own = torch.cat((mean * count, spread + count * mean.square(), mean.new_tensor([count])))
        total = exchange.sum(own, "batch statistics").to(x.device)
        number = total[-1]
        mean = total[:channels] / number
        variance = (total[channels:-1] / number - mean.square()).clamp(0)
        mean_of_it, variance_of_it = mean.to(wide.dtype), variance.to(wide.dtype)
        y = functional.batch_norm(
            wide, mean_of_it, variance_of_it, gamma.to(wide.dtype), beta.to(wide.dtype), False, 0.0, eps
        )
        ctx.save_for_backward(x, gamma, mean_of_it, torch.rsqrt(variance_of_it + eps), number)
        ctx.exchange = exchange
        unbiased = variance * number / (number - 1).clamp(1)
        ctx.mark_non_differentiable(mean, unbiased, number)
        return y.to(x.dtype), mean, unbiased, number

    @staticmethod
    def backward(ctx: Any, dy: torch.Tensor, *_unused: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, gamma, mean, scale, number = ctx.saved_tensors
        channels, wide = x.shape[1], mean.dtype
        dy = dy.to(wide)
        normal = (x.to(wide) - mean[:, None, None]) * scale[:, None, None]
        d_beta, d_gamma = dy.sum(SUMMED), (dy * normal).sum(SUMMED)
        total = ctx.exchange.sum(torch.cat((d_beta, d_gamma)).double(), "gradients of statistics").to(x.device)
        shares = (total / number).to(wide)
        inner = dy - shares[:channels, None, None] - normal * shares[channels:, None, None]
        dx = (gamma.to(wide) * scale)[:, None, None] * inner
        return dx.to(x.dtype), d_gamma.to(gamma.dtype), d_beta.to(gamma.dtype), None, None


class SharedBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d with the statistics of all processes in training; in evaluation it is the same."""

    exchange: StepExchange

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 -- as the framework names it
        if not self.training:
            plain: torch.Tensor = super().forward(input)
            return plain
        y, mean, unbiased, _ = _Normalized.apply(input, self.weight, self.bias, self.eps, self.exchange)  # type: ignore[no-untyped-call]  # the framework's own
        assert self.running_mean is not None  # statistics are kept in every network here
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            for kept, new in ((self.running_mean, mean), (self.running_var, unbiased)):
                kept.mul_(1 - self.momentum).add_(new.to(kept.dtype), alpha=self.momentum)
        answer: torch.Tensor = y
        return answer


def share_batch_norm(network: nn.Module, exchange: StepExchange) -> int:
    """Make every batch normalisation of a network a shared one, in place, with the same tensors; how many there are."""
    found = [module for module in network.modules() if type(module) is nn.BatchNorm2d]
    for module in found:
        module.__class__ = SharedBatchNorm2d
        module.exchange = exchange  # type: ignore[assignment]  # no part of its state
    return len(found)
