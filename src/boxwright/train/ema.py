# SPDX-License-Identifier: Apache-2.0
"""The moving average of a network's state: what is validated, saved and exported."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

LIMIT = 0.9999
RAMP = 2000  # updates over which the decay rises, so that early weights are soon forgotten


def decay(updates: int) -> float:
    """Share of the old average that stays at this update."""
    return LIMIT * (1 - math.exp(-updates / RAMP))


class Ema:
    """The average of one network. Every floating tensor of the state is averaged; whole-number ones are left as they are."""

    def __init__(self, network: nn.Module, updates: int = 0) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
        self.updates = updates
        self._pairs = _floating(self.network), _floating(network)  # looked up once; training changes them in place
        self._source = network

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """One step of the average towards `network`, in one pass over all tensors."""
        assert network is self._source  # an average belongs to the network it was made from
        self.updates += 1
        mine, source = self._pairs
        torch._foreach_lerp_(mine, source, 1 - decay(self.updates))


def _floating(network: nn.Module) -> list[torch.Tensor]:
    return [tensor for tensor in (*network.parameters(), *network.buffers()) if tensor.is_floating_point()]
