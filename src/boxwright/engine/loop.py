# SPDX-License-Identifier: Apache-2.0
"""The trainer: run -> epoch -> step. Read this first.

Everything it works with is handed to it. What changes training (accumulation, the average, early stopping) is a visible
line here or a pure schedule. All that it knows of the run around it is one protocol, `Services`: batches and answers
come in through it, events go out. What depends on clocks, signals, memory, patience or numbers that are not finite is
agreed on there, at fixed points, so that several processes would go the same way.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import NamedTuple

import torch

from boxwright.config.schema.loop import LoopSettings
from boxwright.engine.accelerator import Accelerator
from boxwright.engine.ema import Ema
from boxwright.engine.finite import CALIBRATION_STEPS, FiniteGuard, NotFiniteError
from boxwright.engine.micro_batches import (
    BatchTooLargeError,
    RestartPoint,
    in_parts,
    part_size,
    reason_of,
    waiting_gradients,
)
from boxwright.engine.multi_scale import at_size, size_of
from boxwright.engine.optimizer import apply_moment, rates
from boxwright.engine.schedule import Schedule
from boxwright.engine.services import Services, ValidationLeftError
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.engine.step_exchange import PeerOutOfMemoryError
from boxwright.loss.detection import DetectionLoss
from boxwright.model.detector import Detector
from boxwright.structures.batch import Batch
from boxwright.system.device import is_out_of_memory
from boxwright.system.precision import Precision
from boxwright.track.events import LOSS_NAMES, Ended, EpochEnded, EpochStarted, EpochTrained, StepLogged, Warned

LR_KEYS = ("x/lr0", "x/lr1", "x/lr2")
PEER = "in another process"
MAX_RESTORES = 3  # times the last good state is put back before a run that keeps failing is stopped


@dataclass(frozen=True)
class BatchShape:
    """How batches come.

    Their image size, the grid that sides are multiples of, whether the size varies, images that make one (quad).
    """

    image_size: int
    grid: int
    multi_scale: bool = False
    images_in_one: int = 1


@dataclass
class Machinery:
    """The machines of a run, ready to go. `clip_norm` and `clear_gradients_each_epoch` belong to the optimizer."""

    detector: Detector
    average: Ema[Detector]
    loss: DetectionLoss
    optimizer: torch.optim.Optimizer
    accelerator: Accelerator
    schedule: Schedule
    still: tuple[torch.nn.Module, ...] = ()  # layers that do not learn statistics either
    clip_norm: float = 10.0
    clear_gradients_each_epoch: bool = True
    shares_statistics: bool = False  # batch normalisation is over the images of all processes

    @property
    def precision(self) -> Precision:
        """That of forward and backward passes."""
        return self.accelerator.precision

    @property
    def device(self) -> torch.device:
        """Where everything lies."""
        return self.accelerator.device


class Outcome(NamedTuple):
    """How a training ended, and why, in words."""

    ended: Ended
    reason: str


class Trainer:
    """Trains until the epochs are done, patience ends, or a stop is asked for."""

    def __init__(
        self,
        machines: Machinery,
        settings: LoopSettings,
        shape: BatchShape,
        services: Services,
        state: TrainState,
        running: RunningLosses | None = None,
    ) -> None:
        self.m, self.settings, self.shape, self.services, self.state = machines, settings, shape, services, state
        self.epochs = machines.schedule.settings.epochs
        self.running = running or RunningLosses(machines.device)
        self.guard = FiniteGuard(
            machines.detector, machines.average.network, in_a_row=state.skipped_in_a_row, total=state.skipped
        )
        self.restart = self._restart_point()
        self.stopped: Outcome | None = None

    def fit(self) -> Outcome:
        """Train; returns how it ended."""
        self.stopped = self._out_of_patience()  # a run that was killed right after its last save has nothing more to do
        while self.state.epoch < self.epochs and not self.stopped:
            self._epoch()
        return self.stopped or Outcome(Ended.DONE, "done")

    # -- an epoch

    def _epoch(self) -> None:
        epoch, began, waited = self.state.epoch, time.perf_counter(), 0.0
        self.m.detector.train()
        for layer in self.m.still:
            layer.eval()
        if self.state.batch == 0:
            self.running.reset()
        else:
            apply_moment(
                self.m.optimizer, self.m.schedule.at(self.state.batches_seen(self.m.schedule.batches_per_epoch) - 1)
            )
        self.services.tell(EpochStarted(epoch, self.epochs, self.m.schedule.batches_per_epoch, self.state.batch))
        self.restart = self._restart_point(waiting_gradients(self.m.detector))
        done = False
        while not done:
            try:
                for batch in self.services.batches(epoch, self.state.batch):
                    stepped = self._step(batch)
                    waited += batch.wait_s
                    self._log(batch, began)
                    if self._leaves(stepped=stepped):
                        return
                done = True
            except BatchTooLargeError as error:
                self._divide_batches(error)
        self._end_epoch(epoch, time.perf_counter() - began, waited)

    def _leaves(self, *, stepped: bool) -> bool:
        """Saves and stops wait for the next optimizer step, or for the end of the epoch.

        There no gradient waits that will be used.
        """
        inside = self.state.batch < self.m.schedule.batches_per_epoch
        if inside and not stepped:
            return False
        if not inside and self.m.clear_gradients_each_epoch:
            self.m.optimizer.zero_grad(
                set_to_none=True
            )  # what is left here goes on into the next epoch, and into checkpoints
        self.stopped = self._stop_requested()
        if self.services.save_due() or self.stopped:
            self._save_within()
        return bool(self.stopped)

    def _save_within(self) -> None:
        if not self.settings.nosave:
            self.services.save("last", self.state.epoch)

    def _end_epoch(self, epoch: int, seconds: float, waited: float) -> None:
        """Validate the average, judge, write the row, save."""
        state, settings = self.state, self.settings
        self.services.tell(EpochTrained(epoch))
        final = epoch + 1 == self.epochs or (settings.early_stopping and state.patience.possible_stop)
        results = self._losses() | dict(zip(LR_KEYS, rates(self.m.optimizer), strict=False))
        fitness: float | None = None
        if not settings.noval or final:
            try:
                found, fitness = self.services.validate(self.m.average.network, epoch, final=final)
            except ValidationLeftError:
                self.stopped = self._stop_requested()
                self._save_within()
                return
            results |= found
        is_best = fitness is not None and (state.best_epoch < 0 or fitness >= state.best_fitness)
        if fitness is not None:
            state.patience = state.patience.after(epoch, fitness)
        if is_best and fitness is not None:
            state.best_fitness, state.best_epoch = fitness, epoch
        state.results, state.epoch, state.batch = results, epoch + 1, 0
        state.history.append({"epoch": epoch, **results})
        share = waited / max(seconds, 1e-9)
        best = state.best_fitness, state.best_epoch
        self.services.tell(EpochEnded(epoch, self.epochs, results, fitness, *best, share, seconds, final=final))
        self._save(epoch, final=final, is_best=is_best)
        self.stopped = self._out_of_patience() or self._stop_requested()

    def _stop_requested(self) -> Outcome | None:
        reason = self.services.stop_requested()
        return Outcome(Ended.STOPPED, reason) if reason else None

    def _out_of_patience(self) -> Outcome | None:
        ends = self.settings.early_stopping and not self.settings.noval and self.state.patience.stop
        reason = f"no improvement in the last {self.state.patience.epochs} epochs" if ends else ""
        reason = self.services.agree(reason, "patience")
        return Outcome(Ended.OUT_OF_PATIENCE, reason) if reason else None

    def _losses(self) -> dict[str, float | None]:
        return {f"train/{name}": value for name, value in zip(LOSS_NAMES, self.running.means(), strict=True)}

    def _save(self, epoch: int, *, final: bool, is_best: bool) -> None:
        """last.pt comes last.

        Killed before it, a run trains the epoch again and writes the others again, with the same bits.
        """
        settings = self.settings
        if settings.nosave and not final:
            return
        if is_best and (settings.best_in_final_epoch or epoch + 1 < self.epochs):
            self.services.save("best", epoch)
        if settings.save_period > 0 and epoch % settings.save_period == 0:
            self.services.save(f"epoch{epoch}", epoch)
        self.services.save("last", epoch)

    # -- a step

    def _step(self, batch: Batch) -> bool:
        """One batch: forward, backward, and the optimizer's step when it is due. Whether it was."""
        m, number = self.m, self.state.batches_seen(self.m.schedule.batches_per_epoch)
        now = m.schedule.at(number)
        steps = m.schedule.steps_after(number, self.state.last_step)
        self.services.batch_begins(number, batch)
        pixels = self._pixels(batch, number)
        self.running.add(self._gradients(pixels, batch))
        apply_moment(m.optimizer, now)
        if steps:
            self._optimize()
            self.state.last_step = number
        self.state.batch += 1
        if steps:
            self.restart = self._restart_point()
        self.services.batch_ended(number, pixels, batch)
        return steps

    def _gradients(self, pixels: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Gradients of a batch, added to those that wait; its loss items. (3,) Raises BatchTooLargeError."""
        send = self.m.accelerator.send
        regions = None if batch.regions is None else send(batch.regions)
        exchange, items, reason = self.m.accelerator.exchange, None, ""
        try:
            items = in_parts(self.add_gradients, pixels, send(batch.targets), regions, self.state.parts)
            if exchange.is_several:
                items = exchange.sum(items, "loss items").to(items)
        except PeerOutOfMemoryError:
            reason = PEER
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.state.parts >= len(pixels):
                raise
            reason = reason_of(error)
            exchange.out_of_memory()
        if reason or items is None:
            raise BatchTooLargeError(self.services.agree("" if reason == PEER else reason, "memory"), len(pixels))
        return items

    def add_gradients(
        self, pixels: torch.Tensor, targets: torch.Tensor, regions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Forward and backward: gradients of accumulated batches are summed, since the loss is already times the batch.

        Loss items. (3,)
        """
        m = self.m
        if not len(pixels) and not m.shares_statistics:
            m.loss.without_images()
            return torch.zeros(3, device=m.device)
        with m.accelerator.autocast():
            terms = m.loss(m.detector(pixels), targets, regions)
        m.accelerator.backward(terms.total * float(self.shape.images_in_one))
        return terms.items

    def _restart_point(self, waiting: list[torch.Tensor | None] | None = None) -> RestartPoint:
        return RestartPoint(
            self.state.batch, self.running.sums.clone(), self.running.batches, self.m.loss.balance, waiting
        )

    def _divide_batches(self, error: BatchTooLargeError) -> None:
        """Memory ran out: back to the restart point, and each batch in twice as many parts from now on."""
        state, point = self.state, self.restart
        point.put_back_gradients(self.m.detector)
        self.guard.put_back()
        self.running.sums.copy_(point.sums)
        self.running.batches, self.m.loss.balance, state.batch = point.batches, point.balance, point.batch
        self.m.accelerator.release_memory()
        state.parts *= 2
        note = "the step is the same, but batch normalisation sees the parts one by one"
        size = part_size(error.images, state.parts)
        text = (
            f"out of memory ({error.reason}); from now on each batch is run as {state.parts} parts of up to "
            f"{size} "
            f"images: {note}"
        )
        self.services.tell(Warned(text))

    def _pixels(self, batch: Batch, number: int) -> torch.Tensor:
        """The images on the device, in 0..1, in this batch's size."""
        images, shape = self.m.accelerator.pixels(batch.images), self.shape
        if shape.multi_scale:
            size = size_of(number, seed=self.settings.seed, image_size=shape.image_size, grid=shape.grid)
            images = at_size(images, size, shape.grid)
        return images.contiguous(memory_format=torch.channels_last)

    def _optimize(self) -> None:
        """The optimizer's step, then that of the average; a step that is not finite leaves no trace."""
        m = self.m
        finite = m.accelerator.step(m.optimizer, m.clip_norm)
        self.guard.note(finite, counts=not m.precision.scaler.is_enabled() or m.average.updates >= CALIBRATION_STEPS)
        if not m.accelerator.runs_behind:
            self.guard.settle()
        if m.accelerator.runs_behind or bool(finite):
            m.average.update(m.detector)

    def _log(self, batch: Batch, began: float) -> None:
        """Tell where the epoch stands; the one place within it where the host waits for the device."""
        state, batches, accelerator = self.state, self.m.schedule.batches_per_epoch, self.m.accelerator
        if not accelerator.reads_after(state.batch, batches):
            return
        if accelerator.runs_behind:
            self.guard.settle()
        state.skipped_in_a_row, state.skipped = int(self.guard.in_a_row), int(self.guard.total)
        too_many = state.skipped_in_a_row >= self.settings.max_nonfinite_steps
        if self.services.agree("not finite" if too_many else "", "finite"):
            self._give_up_on(batch)
        memory = accelerator.held_memory()
        width, elapsed = batch.images.shape[3], time.perf_counter() - began
        self.services.tell(
            StepLogged(
                state.epoch,
                self.epochs,
                state.batch - 1,
                batches,
                self.running.means(),
                len(batch.targets),
                width,
                memory,
                elapsed,
            )
        )

    def _give_up_on(self, batch: Batch) -> None:
        """Too many steps in a row were not finite.

        Write the batch down, then go on from the last good weights, or stop.
        """
        state = self.state
        where = self.services.report_batch(state.batches_seen(self.m.schedule.batches_per_epoch) - 1, batch)
        what = f"loss or gradients were not finite in {state.skipped_in_a_row} steps in a row{where}"
        if self.settings.on_nonfinite != "restore" or state.restored >= MAX_RESTORES or not self.services.put_back():
            raise NotFiniteError(what)
        state.restored += 1
        state.skipped_in_a_row = 0
        self.guard.forgive()
        self.m.optimizer.zero_grad(set_to_none=True)
        self.services.tell(Warned(f"{what}; the last good weights are back and training goes on behind these batches"))
