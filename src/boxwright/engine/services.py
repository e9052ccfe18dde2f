# SPDX-License-Identifier: Apache-2.0
"""What the trainer asks of the run around it: batches, validation, checkpoints, and whether to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from boxwright.model.detector import Detector
from boxwright.structures.batch import Batch
from boxwright.track.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


class ValidationLeftError(Exception):
    """A stop was asked for while the network was being validated."""


class Services(Protocol):
    """Everything that is not the trainer's own affair. `batch_begins` and `batch_ended` stand around each batch."""

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from one on. They follow from the address alone: asked twice, they are the same."""
        ...

    def validate(self, network: Detector, epoch: int, *, final: bool) -> tuple[dict[str, float | None], float]:
        """Results by key and the fitness. Raises ValidationLeftError when a stop is asked for meanwhile."""
        ...

    def save(self, kind: str, epoch: int) -> None:
        """Write a checkpoint."""
        ...

    def save_due(self) -> bool:
        """Whether a save within the epoch is due; asked once after every optimizer step."""
        ...

    def agree(self, reason: str, name: str) -> str:
        """The reason of the first process that has one, or '': the same answer in all of them.

        Asked at fixed points, with a reason or without one, about memory that ran out, numbers that are not finite, and
        patience. What depends on clocks and signals (`save_due`, `stop_requested`) is agreed on before it is answered.
        """
        ...

    def put_back(self) -> bool:
        """Restore the last good weights; whether there were any."""
        ...

    def stop_requested(self) -> str:
        """Why to stop now, or ''."""
        ...

    def tell(self, event: Event) -> None:
        """Hand an event to everyone who listens."""
        ...

    def batch_begins(self, number: int, batch: Batch) -> None:
        """A batch is about to be trained on; `number` counts from the start of training."""
        ...

    def batch_ended(self, number: int, pixels: torch.Tensor, batch: Batch) -> None:
        """The same batch has been trained on. pixels (B, C, H, W) as the network saw them."""
        ...

    def report_batch(self, number: int, batch: Batch) -> str:
        """Write down a batch that was not finite; where, in words that end a sentence."""
        ...
