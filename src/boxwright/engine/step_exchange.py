# SPDX-License-Identifier: Apache-2.0
"""What processes add up within a step: counts of the loss, statistics of shared batch normalisation, loss items.

Memory may run out in one process alone, anywhere between two of these exchanges. On a CPU every exchange therefore has
one shape and a place for that news: who cannot go on says so in place of the exchange that the others come to next.
"""

from __future__ import annotations

import torch
from torch import nn

from boxwright.system.distributed.world import World

FEWEST_NUMBERS = 64  # counts of a few levels, and loss items


class PeerOutOfMemoryError(Exception):
    """Memory ran out in another process."""


class StepExchange:
    """Sums over all processes of a step. `numbers` is the most that are ever added at one time."""

    def __init__(self, world: World, numbers: int = FEWEST_NUMBERS) -> None:
        self.world, self.numbers = world, max(numbers, FEWEST_NUMBERS)

    @property
    def is_several(self) -> bool:
        """Whether there is anybody to add with."""
        return self.world.is_several

    def sum(self, values: torch.Tensor, name: str) -> torch.Tensor:
        """The sum over all processes. (N,) -> (N,) float64

        Raises PeerOutOfMemoryError.
        """
        if values.device.type != "cpu":  # a device that runs behind its host learns of trouble at the end of the step
            return self.world.sum_(values.double(), name)
        whole = torch.zeros(self.numbers + 1, dtype=torch.float64)
        whole[: len(values)] = values.detach()
        self.world.sum_(whole, name)
        if whole[-1]:
            raise PeerOutOfMemoryError
        return whole[: len(values)]

    def out_of_memory(self) -> None:
        """Tell the others, who are inside an exchange or come to one."""
        if not self.is_several:
            return
        whole = torch.zeros(self.numbers + 1, dtype=torch.float64)
        whole[-1] = 1
        self.world.sum_(whole, "memory")

    def sum_gradients(self, parameters: list[nn.Parameter]) -> None:
        """The gradients of all processes together, in place; of one that has none for a parameter they are zeros."""
        if not self.is_several:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        self.world.sum_(flat, "gradients")
        for gradient, summed in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))


def numbers_of(network: nn.Module) -> int:
    """The most numbers that a step of this network adds up at one time."""
    shared = [module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    return 2 * max(shared, default=0) + 1
