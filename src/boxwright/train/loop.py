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

from boxwright.loss.detection import DetectionLoss
from boxwright.model.detector import Detector
from boxwright.structures.batch import Batch
from boxwright.structures.pixels import PixelBuffer
from boxwright.system.precision import Precision
from boxwright.track.events import LOSS_NAMES, EpochEnded, EpochStarted, EpochTrained, Event, StepLogged, Warned
from boxwright.train.ema import Ema
from boxwright.train.finite import CALIBRATION_STEPS, FiniteGuard, NotFiniteError
from boxwright.train.multiscale import at_size, size_of
from boxwright.train.optim import apply_moment, rates
from boxwright.train.out_of_memory import MicroBatches
from boxwright.train.schedule import Schedule
from boxwright.train.state import RunningLosses, TrainState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_EVERY = 10  # batches between readings of the device on a GPU; on a CPU every batch is read
LR_KEYS = ("x/lr0", "x/lr1", "x/lr2")
MAX_RESTORES = 3  # times the last good state is put back before a run that keeps failing is stopped


class ValidationLeftError(Exception):
    """A stop was asked for while the network was being validated."""


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
    restore_when_nonfinite: bool = False  # put the last good state back instead of stopping


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
    still: tuple[torch.nn.Module, ...] = ()  # layers that do not learn statistics either


@dataclass(frozen=True)
class Doors:
    """How the trainer reaches what is not its own affair.

    `batches(epoch, first)` gives an epoch's batches from one on; `validate(network, epoch, final)` returns results by key and
    the fitness, or raises ValidationLeftError; `save(kind, epoch)` writes a checkpoint; `stop_requested()` gives a reason or ''.
    `batch_begins(number, batch)` and `batch_ended(number, pixels, batch)` stand around each batch; `accuse(number, batch)` writes
    down a batch that is not finite and says where; `put_back()` restores the last good weights and says whether there were any.
    """

    batches: Callable[[int, int], Iterator[Batch]]
    validate: Callable[[Detector, int, bool], tuple[dict[str, float | None], float]]
    save: Callable[[str, int], None]
    tell: Callable[[Event], None]
    stop_requested: Callable[[], str] = lambda: ""
    save_due: Callable[[], bool] = lambda: False
    batch_begins: Callable[[int, Batch], None] = lambda _number, _batch: None
    batch_ended: Callable[[int, torch.Tensor, Batch], None] = lambda _number, _pixels, _batch: None
    accuse: Callable[[int, Batch], str] = lambda _number, _batch: ""
    put_back: Callable[[], bool] = lambda: False


class Trainer:
    """Trains until the epochs are done, patience ends, or a stop is asked for."""

    def __init__(self, machines: Machinery, rules: LoopRules, doors: Doors, state: TrainState, running: RunningLosses | None = None) -> None:
        self.m, self.rules, self.doors, self.state = machines, rules, doors, state
        self.running = running or RunningLosses(machines.device)
        self.guard = FiniteGuard(machines.detector, machines.average.network, in_a_row=state.skipped_in_a_row, total=state.skipped)
        self.gradients = MicroBatches(machines.detector, self._gradients, state, doors.tell)
        self.pixels = PixelBuffer(machines.device)
        self.stopped = ""

    def fit(self) -> str:
        """Train; returns why it ended."""
        self.stopped = self._out_of_patience()  # a run that was killed right after its last save has nothing more to do
        while self.state.epoch < self.rules.epochs and not self.stopped:
            self._epoch()
        return self.stopped or "done"

    # -- an epoch

    def _epoch(self) -> None:
        epoch, began, waited = self.state.epoch, time.perf_counter(), 0.0
        self.m.detector.train()
        for layer in self.m.still:
            layer.eval()
        if self.state.batch == 0:
            self.running.reset()
        else:
            apply_moment(self.m.optimizer, self.m.schedule.at(self.state.batches_seen(self.m.schedule.batches_per_epoch) - 1))
        self.doors.tell(EpochStarted(epoch, self.rules.epochs, self.m.schedule.batches_per_epoch, self.state.batch))
        for batch in self.doors.batches(epoch, self.state.batch):
            stepped = self._step(batch)
            waited += batch.wait_s
            self._log(batch, began)
            if self._leaves(stepped=stepped):
                return
        self._end_epoch(epoch, time.perf_counter() - began, waited)

    def _leaves(self, *, stepped: bool) -> bool:
        """Saves and stops wait for the next optimizer step, or for the end of the epoch: there no gradient waits that will be used."""
        inside = self.state.batch < self.m.schedule.batches_per_epoch
        if inside and not stepped:
            return False
        if not inside and self.rules.clear_gradients_each_epoch:
            self.m.optimizer.zero_grad(set_to_none=True)  # what is left here goes on into the next epoch, and into checkpoints
        self.stopped = self.doors.stop_requested()
        if self.doors.save_due() or self.stopped:
            self._save_within()
        return bool(self.stopped)

    def _save_within(self) -> None:
        if self.rules.save_each_epoch:
            self.doors.save("last", self.state.epoch)

    def _end_epoch(self, epoch: int, seconds: float, waited: float) -> None:
        """Validate the average, judge, write the row, save."""
        state, rules = self.state, self.rules
        self.doors.tell(EpochTrained(epoch))
        final = epoch + 1 == rules.epochs or (rules.early_stopping and state.patience.possible_stop)
        results = self._losses() | dict(zip(LR_KEYS, rates(self.m.optimizer), strict=False))
        fitness: float | None = None
        if rules.validate_each_epoch or final:
            try:
                found, fitness = self.doors.validate(self.m.average.network, epoch, final)
            except ValidationLeftError:
                self.stopped = self.doors.stop_requested()
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
        self.doors.tell(EpochEnded(epoch, rules.epochs, results, fitness, state.best_fitness, state.best_epoch, share, seconds))
        self._save(epoch, final=final, is_best=is_best)
        self.stopped = self._out_of_patience() or self.doors.stop_requested()

    def _out_of_patience(self) -> str:
        waits = self.rules.early_stopping and self.rules.validate_each_epoch
        return f"no improvement in the last {self.state.patience.epochs} epochs" if waits and self.state.patience.stop else ""

    def _losses(self) -> dict[str, float | None]:
        return {f"train/{name}": value for name, value in zip(LOSS_NAMES, self.running.means(), strict=True)}

    def _save(self, epoch: int, *, final: bool, is_best: bool) -> None:
        """last.pt comes last: killed before it, a run trains the epoch again and writes the others again, with the same bits."""
        rules = self.rules
        if not (rules.save_each_epoch or final):
            return
        if is_best and (rules.best_in_final_epoch or epoch + 1 < rules.epochs):
            self.doors.save("best", epoch)
        if rules.save_period > 0 and epoch % rules.save_period == 0:
            self.doors.save(f"epoch{epoch}", epoch)
        self.doors.save("last", epoch)

    # -- a step

    def _step(self, batch: Batch) -> bool:
        """One batch: forward, backward, and the optimizer's step when it is due. Whether it was."""
        m, number = self.m, self.state.batches_seen(self.m.schedule.batches_per_epoch)
        now = m.schedule.at(number)
        steps = m.schedule.steps_after(number, self.state.last_step)
        self.doors.batch_begins(number, batch)
        pixels = self._pixels(batch, number)
        regions = None if batch.regions is None else batch.regions.to(m.device, non_blocking=True)
        self.running.add(self.gradients(pixels, batch.targets.to(m.device, non_blocking=True), regions))
        apply_moment(m.optimizer, now)
        if steps:
            self._optimize()
            self.state.last_step = number
        self.state.batch += 1
        self.doors.batch_ended(number, pixels, batch)
        return steps

    def _gradients(self, pixels: torch.Tensor, targets: torch.Tensor, regions: torch.Tensor | None) -> torch.Tensor:
        """Forward and backward: gradients of accumulated batches are summed, since the loss is already times the batch. Loss items. (3,)"""
        m, balance = self.m, self.m.loss.balance
        try:
            with m.precision.autocast():
                terms = m.loss(m.detector(pixels), targets, regions)
            m.precision.backward(terms.total * self.rules.loss_gain)
        except RuntimeError:
            m.loss.balance = balance
            raise
        return terms.items

    def _pixels(self, batch: Batch, number: int) -> torch.Tensor:
        """The images on the device, in 0..1, in this batch's size."""
        images = self.pixels.of(batch.images)
        if self.rules.multi_scale:
            size = size_of(number, seed=self.rules.seed, image_size=self.rules.image_size, grid=self.rules.grid)
            images = at_size(images, size, self.rules.grid)
        return images.contiguous(memory_format=torch.channels_last)

    def _optimize(self) -> None:
        """Unscale, clip, step unless something is not finite, clear, average."""
        optimizer, scaler = self.m.optimizer, self.m.precision.scaler
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None], foreach=True)
        finite = torch.isfinite(norm)
        if self.rules.clip_norm > 0:
            torch.nn.utils.clip_grads_with_norm_([p for g in optimizer.param_groups for p in g["params"]], self.rules.clip_norm, norm, foreach=True)
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        elif self.m.device.type != "cpu" and optimizer.defaults.get("fused"):
            optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]  # read by fused steps, so that the host need not wait
            optimizer.step()
        elif bool(finite):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self.guard.note(finite, counts=not scaler.is_enabled() or self.m.average.updates >= CALIBRATION_STEPS)
        on_cpu = self.m.device.type == "cpu"
        if on_cpu:
            self.guard.settle()
        if not on_cpu or bool(finite):
            self.m.average.update(self.m.detector)

    def _log(self, batch: Batch, began: float) -> None:
        """Tell where the epoch stands; the one place within it where the host waits for the device."""
        state, batches = self.state, self.m.schedule.batches_per_epoch
        if self.m.device.type != "cpu" and state.batch < batches and state.batch % LOG_EVERY:
            return
        if self.m.device.type != "cpu":
            self.guard.settle()
        state.skipped_in_a_row, state.skipped = int(self.guard.in_a_row), int(self.guard.total)
        if state.skipped_in_a_row >= self.rules.max_nonfinite_steps:
            self._give_up_on(batch)
        memory = torch.cuda.memory_reserved(self.m.device) if self.m.device.type == "cuda" else 0
        width, elapsed = batch.images.shape[3], time.perf_counter() - began
        self.doors.tell(StepLogged(state.epoch, self.rules.epochs, state.batch - 1, batches, self.running.means(), len(batch.targets), width, memory, elapsed))

    def _give_up_on(self, batch: Batch) -> None:
        """Too many steps in a row were not finite: write the batch down, then go on from the last good weights, or stop."""
        state = self.state
        told = self.doors.accuse(state.batches_seen(self.m.schedule.batches_per_epoch) - 1, batch)
        what = f"loss or gradients were not finite in {state.skipped_in_a_row} steps in a row{told}"
        if not self.rules.restore_when_nonfinite or state.restored >= MAX_RESTORES or not self.doors.put_back():
            raise NotFiniteError(what)
        state.restored += 1
        state.skipped_in_a_row = 0
        self.guard.forgive()
        self.m.optimizer.zero_grad(set_to_none=True)
        self.doors.tell(Warned(f"{what}; the last good weights are back and training goes on behind these batches"))
