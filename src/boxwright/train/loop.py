# SPDX-License-Identifier: Apache-2.0
"""The trainer: run -> epoch -> step. Read this first.

Everything it works with is handed to it. What changes training (accumulation, the average, early stopping) is a visible
line here or a pure schedule; events go out, nothing reaches in but a request to stop.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.errors import BoxwrightError
from boxwright.loss.detection import DetectionLoss
from boxwright.model.detector import Detector
from boxwright.structures.batch import Batch
from boxwright.structures.pixels import PixelBuffer
from boxwright.system.precision import Precision
from boxwright.track.events import LOSS_NAMES, EpochEnded, EpochStarted, Event, StepLogged
from boxwright.train.ema import Ema
from boxwright.train.multiscale import at_size, size_of
from boxwright.train.optim import apply_moment, rates
from boxwright.train.schedule import Moment, Schedule
from boxwright.train.state import FiniteGuard, RunningLosses, TrainState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_EVERY = 10  # batches between readings of the device on a GPU; on a CPU every batch is read
LR_KEYS = ("x/lr0", "x/lr1", "x/lr2")


class NotFiniteError(BoxwrightError):
    """Loss or gradients stayed non-finite; the last good checkpoint is kept."""


@dataclass(frozen=True)
class LoopRules:
    """What the loop itself needs to know."""

    epochs: int
    clip_norm: float
    max_nonfinite_steps: int
    clear_gradients_each_epoch: bool
    validate_each_epoch: bool
    save_each_epoch: bool
    early_stopping: bool
    best_in_final_epoch: bool
    save_period: int
    seed: int
    grid: int
    image_size: int
    multi_scale: bool
    loss_gain: float = 1.0  # quad batches: four images in one


@dataclass
class Machinery:
    """The machines of a run, ready to go."""

    detector: Detector
    average: Ema[Detector]
    loss: DetectionLoss
    optimizer: torch.optim.Optimizer
    precision: Precision
    schedule: Schedule
    device: torch.device


@dataclass(frozen=True)
class Doors:
    """How the trainer reaches what is not its own affair.

    `batches(epoch, first)` gives an epoch's batches from one on; `validate(network, epoch, final)` returns results by key and
    the fitness; `save(kind, epoch)` writes a checkpoint; `stop_requested()` gives a reason or ''.
    """

    batches: Callable[[int, int], Iterator[Batch]]
    validate: Callable[[Detector, int, bool], tuple[dict[str, float | None], float]]
    save: Callable[[str, int], None]
    tell: Callable[[Event], None]
    stop_requested: Callable[[], str] = lambda: ""
    train_batch: Callable[[int, Batch], None] = lambda _number, _batch: None
    save_due: Callable[[], bool] = lambda: False


class Trainer:
    """Trains until the epochs are done, patience ends, or a stop is asked for."""

    def __init__(self, machines: Machinery, rules: LoopRules, doors: Doors, state: TrainState, running: RunningLosses | None = None) -> None:
        self.m, self.rules, self.doors, self.state = machines, rules, doors, state
        self.running = running or RunningLosses(machines.device)
        self.guard = FiniteGuard(machines.device)
        self.pixels = PixelBuffer(machines.device)
        self.stopped = ""

    def fit(self) -> str:
        """Train; returns why it ended."""
        while self.state.epoch < self.rules.epochs and not self.stopped:
            self._epoch()
        return self.stopped or "done"

    # -- an epoch

    def _epoch(self) -> None:
        epoch, began, waited = self.state.epoch, time.perf_counter(), 0.0
        self.m.detector.train()
        if self.state.batch == 0:
            self.running.reset()
        self.doors.tell(EpochStarted(epoch, self.rules.epochs, self.m.schedule.batches_per_epoch, self.state.batch))
        for batch in self.doors.batches(epoch, self.state.batch):
            stepped = self._step(batch)
            waited += batch.wait_s
            self._log(batch, began)
            if self._leaves(stepped=stepped):
                return
        self._end_epoch(epoch, time.perf_counter() - began, waited)

    def _leaves(self, *, stepped: bool) -> bool:
        """Saves inside an epoch, and stops, wait for the next optimizer step: there no gradient is pending."""
        inside = self.state.batch < self.m.schedule.batches_per_epoch
        if not stepped or not inside:
            return False
        self.stopped = self.doors.stop_requested()
        if self.stopped or self.doors.save_due():
            self.doors.save("last", self.state.epoch)
        return bool(self.stopped)

    def _end_epoch(self, epoch: int, seconds: float, waited: float) -> None:
        """Validate the average, judge, write the row, save."""
        state, rules = self.state, self.rules
        if rules.clear_gradients_each_epoch:
            self.m.optimizer.zero_grad(set_to_none=True)  # what is left here goes on into the next epoch, and into checkpoints
        final = epoch + 1 == rules.epochs or (rules.early_stopping and state.patience.possible_stop)
        results = self._losses() | dict(zip(LR_KEYS, rates(self.m.optimizer), strict=False))
        fitness: float | None = None
        if rules.validate_each_epoch or final:
            found, fitness = self.doors.validate(self.m.average.network, epoch, final)
            results |= found
        is_best = fitness is not None and (state.best_epoch < 0 or fitness >= state.best_fitness)
        if fitness is not None:
            state.patience = state.patience.after(epoch, fitness)
        if is_best and fitness is not None:
            state.best_fitness, state.best_epoch = fitness, epoch
        state.results, state.epoch, state.batch = results, epoch + 1, 0
        share = waited / max(seconds, 1e-9)
        self.doors.tell(EpochEnded(epoch, rules.epochs, results, fitness, state.best_fitness, state.best_epoch, share, seconds))
        self._save(epoch, final=final, is_best=is_best)
        self.stopped = self.doors.stop_requested()
        if rules.early_stopping and rules.validate_each_epoch and state.patience.stop:
            self.stopped = self.stopped or f"no improvement in the last {state.patience.epochs} epochs"

    def _losses(self) -> dict[str, float | None]:
        return {f"train/{name}": value for name, value in zip(LOSS_NAMES, self.running.means(), strict=True)}

    def _save(self, epoch: int, *, final: bool, is_best: bool) -> None:
        rules = self.rules
        if not (rules.save_each_epoch or final):
            return
        self.doors.save("last", epoch)
        if is_best and (rules.best_in_final_epoch or epoch + 1 < rules.epochs):
            self.doors.save("best", epoch)
        if rules.save_period > 0 and epoch % rules.save_period == 0:
            self.doors.save(f"epoch{epoch}", epoch)

    # -- a step

    def _step(self, batch: Batch) -> bool:
        """One batch: forward, backward, and the optimizer's step when it is due. Whether it was."""
        m, number = self.m, self.state.batches_seen(self.m.schedule.batches_per_epoch)
        now = m.schedule.at(number)
        steps = m.schedule.steps_after(number, self.state.last_step)
        self.doors.train_batch(number, batch)
        with m.precision.autocast():
            terms = m.loss(m.detector(self._pixels(batch, number)), batch.targets.to(m.device, non_blocking=True))
        m.precision.backward(terms.total * self.rules.loss_gain)  # gradients of accumulated batches are summed: the loss is already times the batch
        self.running.add(terms.items)
        apply_moment(m.optimizer, now)
        if steps:
            self._optimize(now)
            self.state.last_step = number
        self.state.batch += 1
        return steps

    def _pixels(self, batch: Batch, number: int) -> torch.Tensor:
        """The images on the device, in 0..1, in this batch's size."""
        images = self.pixels.of(batch.images)
        if self.rules.multi_scale:
            size = size_of(number, seed=self.rules.seed, image_size=self.rules.image_size, grid=self.rules.grid)
            images = at_size(images, size, self.rules.grid)
        return images.contiguous(memory_format=torch.channels_last)

    def _optimize(self, now: Moment) -> None:
        """Unscale, clip, step unless something is not finite, clear, average."""
        del now
        optimizer, scaler = self.m.optimizer, self.m.precision.scaler
        scaler.unscale_(optimizer)
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients, foreach=True)
        finite = torch.isfinite(norm)
        if self.rules.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_([p for g in optimizer.param_groups for p in g["params"]], self.rules.clip_norm, norm, foreach=True)
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        else:
            self.guard.note(finite)
            skips_by_itself = self.m.device.type != "cpu" and bool(optimizer.defaults.get("fused"))  # the others wait for the device
            if skips_by_itself or bool(finite):
                optimizer.found_inf = (~finite).float() if skips_by_itself else None  # type: ignore[attr-defined]  # read by fused steps
                optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.m.average.update(self.m.detector)

    def _log(self, batch: Batch, began: float) -> None:
        """Tell where the epoch stands; the one place within it where the host waits for the device."""
        done = self.state.batch == self.m.schedule.batches_per_epoch
        if self.m.device.type != "cpu" and not done and self.state.batch % LOG_EVERY:
            return
        if int(self.guard.in_a_row) >= self.rules.max_nonfinite_steps:
            raise NotFiniteError(f"loss or gradients were not finite in {int(self.guard.in_a_row)} steps in a row; the last good checkpoint is kept")
        memory = torch.cuda.memory_reserved(self.m.device) if self.m.device.type == "cuda" else 0
        place = self.state.batch - 1, self.m.schedule.batches_per_epoch
        width, elapsed = batch.images.shape[3], time.perf_counter() - began
        self.doors.tell(StepLogged(self.state.epoch, self.rules.epochs, *place, self.running.means(), len(batch.targets), width, memory, elapsed))
