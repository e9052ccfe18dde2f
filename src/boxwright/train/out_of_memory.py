# SPDX-License-Identifier: Apache-2.0
"""A batch that does not fit in memory is run in parts: the same images, the same gradient step.

Parts are seen one after the other, so batch normalisation normalises over a part, not over the batch; and means over
matches are taken per part. Everything else is as it was.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import torch

from boxwright.structures.batch import part_of
from boxwright.track.events import Event, Warned
from boxwright.train.state import TrainState

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on whatever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)


def free_cached(device: torch.device) -> None:
    """Give back what was held for reuse."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


class MicroBatches:
    """Runs `gradients(images, targets, regions)`, which adds gradients to the network and returns loss items. (3,)

    How many parts a batch needs is remembered in the state, so that a run does not stumble twice.
    """

    def __init__(
        self,
        network: nn.Module,
        gradients: Callable[[torch.Tensor, torch.Tensor, torch.Tensor | None], torch.Tensor],
        state: TrainState,
        tell: Callable[[Event], None],
    ) -> None:
        self.gradients, self.state, self.tell = gradients, state, tell
        self.parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._buffers = list(network.buffers())
        self._kept = [buffer.clone() for buffer in self._buffers]

    def __call__(self, images: torch.Tensor, targets: torch.Tensor, regions: torch.Tensor | None = None) -> torch.Tensor:
        """Gradients of a batch, added to those that wait; its loss items."""
        waiting = self._taken()
        while True:
            torch._foreach_copy_(self._kept, self._buffers)
            try:
                items = self._in_parts(images, targets, regions)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.state.parts >= len(images):
                    raise
                reason = str(error).splitlines()[0][:120]
            else:
                self._give_back(waiting)
                return items
            torch._foreach_copy_(self._buffers, self._kept)
            self._halve(images, reason)

    def _in_parts(self, images: torch.Tensor, targets: torch.Tensor, regions: torch.Tensor | None) -> torch.Tensor:
        if self.state.parts == 1:
            return self.gradients(images, targets, regions)
        size = -(-len(images) // self.state.parts)
        items = torch.zeros(3, device=images.device)
        for first in range(0, len(images), size):
            part = images[first : first + size]
            spared = None if regions is None else part_of(regions, first, first + size)
            items += self.gradients(part, part_of(targets, first, first + size), spared) * (len(part) / len(images))
        return items

    def _halve(self, images: torch.Tensor, reason: str) -> None:
        for parameter in self.parameters:
            parameter.grad = None  # what the failed pass added
        free_cached(images.device)
        self.state.parts *= 2
        size = -(-len(images) // self.state.parts)
        note = "the step is the same, but batch normalisation sees the parts one by one"
        self.tell(Warned(f"out of memory ({reason}); from now on each batch is run as {self.state.parts} parts of up to {size} images: {note}"))

    def _taken(self) -> list[torch.Tensor | None]:
        """Gradients of earlier batches, set aside so that a failed pass cannot mix with them."""
        waiting = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        return waiting

    @torch.no_grad()
    def _give_back(self, waiting: list[torch.Tensor | None]) -> None:
        for parameter, earlier in zip(self.parameters, waiting, strict=True):
            if earlier is not None:
                parameter.grad = earlier if parameter.grad is None else parameter.grad.add_(earlier)
