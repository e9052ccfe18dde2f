# SPDX-License-Identifier: Apache-2.0
"""The moving average of a network's state: what is validated, saved and exported."""

from __future__ import annotations

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

from boxwright.engine.schedule import EMA_LIMIT, EMA_RAMP, ema_decay

Network = TypeVar("Network", bound=nn.Module)


class Ema(Generic[Network]):
    """The average of one network.

    Every floating tensor of the state is averaged; whole-number ones are left as they are.
    """

    def __init__(self, network: Network, *, limit: float = EMA_LIMIT, ramp: int = EMA_RAMP) -> None:
        self.network: Network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.updates: float = 0  # a run of 2020 goes on with a part of one
        self._law = limit, ramp
        self._pairs = _floating(self.network), _floating(network)  # looked up once; training changes them in place
        self._source = network

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """One step of the average towards `network`, in one pass over all tensors."""
        assert network is self._source  # an average belongs to the network it was made from
        self.updates += 1
        mine, source = self._pairs
        torch._foreach_lerp_(mine, source, 1 - ema_decay(self.updates, *self._law))


def _floating(network: nn.Module) -> list[torch.Tensor]:
    return [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]
