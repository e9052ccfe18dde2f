# SPDX-License-Identifier: Apache-2.0
"""A batch that does not fit in memory is run in parts: the same images, the same optimizer step.

Parts are seen one after the other, so batch normalisation normalises over a part, not over the batch; and means over
matches are taken per part. Everything else is as it was. An ordinary step pays nothing for this: when memory runs out,
training goes back to the last optimizer step and draws the batches since then once more, which are the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.structures.batch import part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

LONGEST_REASON = 120  # characters


class BatchTooLargeError(Exception):
    """Memory ran out in a forward or backward pass of a batch of so many images, which can be run in smaller parts."""

    def __init__(self, reason: str, images: int) -> None:
        super().__init__(reason)
        self.reason, self.images = reason, images


def reason_of(error: BaseException) -> str:
    """The first line of what an error says."""
    lines = str(error).splitlines()
    return lines[0][:LONGEST_REASON] if lines else type(error).__name__


def in_parts(
    gradients: Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor],
    images: torch.Tensor,
    targets: torch.Tensor,
    regions: torch.Tensor | None,
    parts: int,
) -> torch.Tensor:
    """Gradients of a batch, added to those that wait, and its loss items (3,). `gradients` does it for one part."""
    if parts == 1:
        return gradients(images, targets, regions)
    size = part_size(len(images), parts)
    items = torch.zeros(3, device=images.device)
    for first in range(0, parts * size, size):  # a process whose share is smaller has empty parts at its end
        part = images[first : first + size]
        ignored = None if regions is None else part_of(regions, first, first + size)
        items += gradients(part, part_of(targets, first, first + size), ignored) * (
            len(part) / len(images) if len(images) else 0
        )
    return items


def part_size(images: int, parts: int) -> int:
    """Images of each part but the last ones."""
    return max(-(-images // parts), 1)


@dataclass
class RestartPoint:
    """Where a batch that did not fit begins anew.

    Behind the last optimizer step, or where this epoch or this start began.

    `waiting` are gradients that were there already, by parameter; they exist at the beginning of an epoch alone.
    """

    batch: int
    sums: torch.Tensor
    batches: int
    balance: torch.Tensor
    waiting: list[torch.Tensor | None] | None = None

    def put_back_gradients(self, network: nn.Module) -> None:
        """The gradients that waited here, and no others."""
        parameters = list(network.parameters())
        for parameter, earlier in zip(parameters, self.waiting or [None] * len(parameters), strict=True):
            parameter.grad = None if earlier is None else earlier.clone()


def waiting_gradients(network: nn.Module) -> list[torch.Tensor | None] | None:
    """Copies of the gradients that wait for a step; None where none does."""
    found = [None if parameter.grad is None else parameter.grad.clone() for parameter in network.parameters()]
    return None if all(gradient is None for gradient in found) else found
