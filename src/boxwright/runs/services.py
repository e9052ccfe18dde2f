# SPDX-License-Identifier: Apache-2.0
"""What the trainer is given of a run: its batches, its validation, its checkpoints, and whether to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from boxwright.engine.saving import Saving
from boxwright.engine.state import TrainState
from boxwright.model.detector import Detector
from boxwright.runs.build import TrainingData
from boxwright.runs.pictures import RunPictures
from boxwright.runs.stops import Stops
from boxwright.structures.batch import Batch
from boxwright.track.events import Event
from boxwright.track.sinks.callbacks import Observers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


class Owner(Protocol):
    """What only the owner of the run can do."""

    def validated(self, network: Detector, epoch: int, *, final: bool) -> tuple[dict[str, float | None], float]:
        """Results by key and the fitness."""
        ...

    def save(self, saving: Saving, kind: str, epoch: int) -> None:
        """Write a checkpoint and what belongs to it."""
        ...

    def put_back(self) -> bool:
        """Restore the last good weights; whether there were any."""
        ...

    def tell(self, event: Event) -> None:
        """Hand an event to every sink."""
        ...


@dataclass(frozen=True)
class RunServices:
    """The services of one start of a run."""

    owner: Owner
    network: Detector
    training: TrainingData
    state: TrainState
    saving: Saving
    stops: Stops
    observers: Observers
    pictures: RunPictures

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from one on."""
        return self.training.loader(self.training.addresses(epoch, first, self.state.class_maps))

    def validate(self, network: Detector, epoch: int, *, final: bool) -> tuple[dict[str, float | None], float]:
        """Results by key and the fitness."""
        return self.owner.validated(network, epoch, final=final)

    def save(self, kind: str, epoch: int) -> None:
        """Write a checkpoint."""
        self.owner.save(self.saving, kind, epoch)

    def save_due(self) -> bool:
        """Whether a save within the epoch is due."""
        return self.saving.due()

    def put_back(self) -> bool:
        """Restore the last good weights."""
        return self.owner.put_back()

    def stop_requested(self) -> str:
        """Why to stop now, or ''."""
        return self.stops.reason()

    def tell(self, event: Event) -> None:
        """Hand an event to every sink."""
        self.owner.tell(event)

    def batch_begins(self, number: int, batch: Batch) -> None:
        """Observers hear of it, and the first batches are drawn."""
        self.observers.call("on_train_batch_start")
        self.pictures.train_batch(number, batch)

    def batch_ended(self, number: int, pixels: torch.Tensor, batch: Batch) -> None:
        """Observers hear of it."""
        if self.observers:
            index = self.training.samples.index
            paths = [index.paths[image] for image in batch.image_numbers]
            self.observers.call(
                "on_train_batch_end", number, self.network, pixels, batch.targets, paths, self.pictures.on
            )

    def report_batch(self, number: int, batch: Batch) -> str:
        """Write down a batch that was not finite."""
        return self.pictures.report_batch(number, batch)
