# SPDX-License-Identifier: Apache-2.0
"""The textbook moving average: tensor by tensor."""

from __future__ import annotations

import copy
import math

import torch


class LoopEma:
    def __init__(self, network: torch.nn.Module) -> None:
        self.network = copy.deepcopy(network).eval()
        self.updates = 0
        for parameter in self.network.parameters():
            parameter.requires_grad_(requires_grad=False)

    @torch.no_grad()
    def update(self, network: torch.nn.Module) -> None:
        self.updates += 1
        decay = 0.9999 * (1 - math.exp(-self.updates / 2000))
        state = network.state_dict()
        for key, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                value.mul_(decay)
                value.add_((1 - decay) * state[key].detach())
