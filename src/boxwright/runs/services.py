# SPDX-License-Identifier: Apache-2.0
"""What the trainer is given of a run: its batches, its validation, its checkpoints, and whether to stop.

What depends on a clock or a signal is put to the world, so that several processes would go the same way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxwright.model.detector import Detector
from boxwright.runs.build import TrainingData
from boxwright.runs.checkpoints import RunCheckpoints
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.finish import shows_classes
from boxwright.runs.pictures import TRAIN_BATCHES, RunPictures
from boxwright.structures.batch import Batch
from boxwright.system.distributed.world import World
from boxwright.system.signals import StopRequest
from boxwright.track.bus import Bus
from boxwright.track.events import Event, StepLogged
from boxwright.track.sinks.callbacks import Observers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

SECONDS_PER_HOUR = 3600


@dataclass
class Stops:
    """Why a run may have to stop before its end: a signal, its time budget, an observer.

    `hours` counts this start of the run, 0 = no limit.
    """

    signal: StopRequest
    observers: Observers
    hours: float
    began: float = field(default_factory=time.monotonic)
    resumable: bool = False  # whether what stopped the run means to go on another time
    asked: str = ""  # what an observer asked for; it may not ask again

    def reason(self) -> str:
        """The first reason to stop, '' while there is none."""
        by_itself = self.signal.reason or self._out_of_time()
        self.resumable = bool(by_itself)
        return by_itself or self.look()

    def look(self) -> str:
        """Whether an observer asks for a stop, or has asked; after every batch, though it waits for the next step."""
        self.asked = self.asked or self.observers.stop_requested()
        return self.asked

    def _out_of_time(self) -> str:
        used = time.monotonic() - self.began >= self.hours * SECONDS_PER_HOUR
        return f"the time budget of {self.hours:g} hours is used up" if self.hours > 0 and used else ""


@dataclass(frozen=True)
class RunServices:
    """The services of one start of a run."""

    world: World
    bus: Bus
    training: TrainingData
    validation: RunValidation
    checkpoints: RunCheckpoints
    stops: Stops
    observers: Observers
    pictures: RunPictures

    def batches(self, epoch: int, first: int) -> Iterator[Batch]:
        """The batches of an epoch from one on."""
        return self.training.shares(epoch, first, self.checkpoints.state.class_maps)

    def validate(self, network: Detector, epoch: int, *, final: bool) -> tuple[dict[str, float | None], float]:
        """Results by key and the fitness."""
        plan, state = self.checkpoints.plan, self.checkpoints.state
        shown = final and plan.settings.final_val != "best"  # no other validation follows that would show everything
        per_class = shown and shows_classes(plan.settings, plan.data.num_classes)
        found = self.validation(network, epoch, per_class=per_class, keep=shown and self.pictures.on)
        maps = self.validation.class_maps
        state.class_maps = [] if maps is None else [float(value) for value in maps]
        return found

    def save(self, kind: str, epoch: int) -> None:
        """Write a checkpoint."""
        self.checkpoints.save(kind, epoch)

    def save_due(self) -> bool:
        """Whether a save within the epoch is due."""
        return bool(self.agree("due" if self.checkpoints.due() else "", "save"))

    def stop_requested(self) -> str:
        """Why to stop now, or ''."""
        own = self.stops.reason()
        reason = self.agree(own, "stop")
        if reason and not own:  # of another process, whose signal or clock it was
            self.stops.resumable = True
            self.stops.signal.take(reason)
        return reason

    def leaves_validation(self) -> bool:
        """Whether to stop now, asked by each process at its own time."""
        if self.world.is_several:
            return self.world.notices(self.stops.reason())
        return bool(self.stop_requested())

    def agree(self, reason: str, name: str) -> str:
        """The reason of the first process that has one, or ''."""
        return self.world.agree(reason, name)

    def put_back(self) -> bool:
        """Restore the last good weights."""
        return self.checkpoints.put_back()

    def tell(self, event: Event) -> None:
        """Hand an event to every sink; the last batch is remembered for the row of its epoch.

        Files and the terminal are those of rank 0: a disk that hangs, or a pager that nobody reads, holds all up.
        """
        if isinstance(event, StepLogged):
            self.checkpoints.logged = event
        self.world.after_rank_0(lambda: self.bus.tell(event), "writing to the log")

    def batch_begins(self, number: int, batch: Batch) -> None:
        """Observers hear of it, and the first batches are drawn."""
        self.observers.call("on_train_batch_start")
        if number < TRAIN_BATCHES:
            self.world.after_rank_0(lambda: self.pictures.train_batch(number, batch), "drawing a training batch")

    def batch_ended(self, number: int, pixels: torch.Tensor, batch: Batch) -> None:
        """Observers hear of it."""
        if self.observers:
            index, network = self.training.samples.index, self.checkpoints.machines.detector
            paths = [index.paths[image] for image in batch.image_numbers]
            self.observers.call("on_train_batch_end", number, network, pixels, batch.targets, paths, self.pictures.on)
            self.stops.look()

    def report_batch(self, number: int, batch: Batch) -> str:
        """Write down a batch that was not finite; where it is, in words."""
        place = self.world.alone(lambda: self.pictures.report_batch(number, batch), "writing a batch down")
        return self.world.broadcast(place or "", "writing a batch down")
