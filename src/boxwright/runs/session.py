# SPDX-License-Identifier: Apache-2.0
"""The owner of a run: opens its folder, sinks and data, trains, and puts the process back as it was.

    with session(plan, folder=folder_of(plan)) as run:
        result = run.train()

Without a folder nothing is written: sinks that are given hear everything all the same. A session that never trains has
its data to look at, as a preview does.
"""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, NamedTuple

from boxwright.config.schema.loop import LoopSettings
from boxwright.data.sampling.shares import Share
from boxwright.engine.finite import NotFiniteError
from boxwright.engine.loop import Outcome, Trainer
from boxwright.engine.saving import SavingError
from boxwright.engine.state import TrainState
from boxwright.errors import EXIT_OUR_FAULT, EXIT_TRY_AGAIN, BoxwrightError
from boxwright.runs.best_by import best_by
from boxwright.runs.build import TrainingData, batch_shape, training_data, validation_data
from boxwright.runs.evaluation.evaluate import ValidationData
from boxwright.runs.finish import Ending
from boxwright.runs.folder import prepared
from boxwright.runs.generations import way_on
from boxwright.runs.mirroring import Mirroring
from boxwright.runs.plan import TrainPlan
from boxwright.runs.result import Trained, TrainResult
from boxwright.runs.services import RunServices, Stops
from boxwright.runs.several_processes import note_end, note_start
from boxwright.runs.sinks import LogsWritten, sinks_of
from boxwright.runs.wiring import Wired, wired
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.claim import Claim, ClaimLostError
from boxwright.system.device import configured_process
from boxwright.system.distributed.hang_watch import LostError, ToldElsewhereError
from boxwright.system.distributed.world import World
from boxwright.system.files import WriteError
from boxwright.system.run_folder import RECORDS, RunFolder
from boxwright.system.signals import exit_code, name_of, stops_collected
from boxwright.track.bus import Bus, Sink
from boxwright.track.events import Ended, FileWritten, RunEnded, Warned
from boxwright.track.sinks.callbacks import EventObservers, Observers, summary_of, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class RunData(NamedTuple):
    """Both sides of the data."""

    training: TrainingData
    validation: ValidationData


@contextlib.contextmanager
def session(
    plan: TrainPlan,
    *,
    folder: RunFolder | None = None,
    claim: Claim | None = None,
    sinks: Sequence[Sink] = (),
    observers: Sequence[object] = (),
    world: World | None = None,
    keeps_state: bool = False,
) -> Iterator[Run]:
    """A run, open while this lasts; behind it the process is as it was: threads, switches, handlers, files.

    `folder` None: nothing is written. `claim` is that of a run that goes on in its folder. `sinks` hear its events
    beside its own. `keeps_state`: what a run without a folder could go on from is in `state` when it was trained.
    Raises SettingError, WriteError and ClaimedError.
    """
    settings = plan.settings
    for text in (settings.best_by, *settings.keep_best):
        best_by(text)  # a mistake in it is told before a folder is made
    watching = Observers(observers)
    with contextlib.ExitStack() as stack:
        stack.enter_context(configured_process(plan.device, settings.threads, kernels=settings.kernels == "auto"))
        own: list[Sink] = []
        lines: list[str] = []
        mirroring = None
        if folder is not None:
            if settings.bucket:
                mirroring = Mirroring(plan, folder)
                stack.callback(mirroring.close)
                lines = mirroring.checked()
                sinks = [*sinks, mirroring.sink]
            claim, more = stack.enter_context(prepared(folder, plan, claim))
            own, about = sinks_of(plan, folder)
            lines += [*more, *about]
        bus = Bus([*own, EventObservers(watching), *sinks])
        stack.callback(bus.close)
        if mirroring is not None:
            mirroring.begin(bus.tell)
            stack.callback(mirroring.finish)
        run = Run(plan, folder, claim, bus, watching, world or World(), stack)
        run.keeps_state = keeps_state
        if run.folder is not None:
            bus.sinks.append(LogsWritten(run.folder))
        for line in filter(None, lines):
            run.warn(line)
        yield run


class Run:
    """An open run. `data` is opened when it is first asked for; `ended` says how it ended, None before."""

    def __init__(
        self,
        plan: TrainPlan,
        folder: RunFolder | None,
        claim: Claim | None,
        bus: Bus,
        observers: Observers,
        world: World,
        stack: contextlib.ExitStack,
    ) -> None:
        self.plan, self.claim, self.bus, self.observers, self.world = plan, claim, bus, observers, world
        self.folder = None if folder is None else RunFolder(folder.path, self._announce)
        self.ended: Ended | None = None
        self.keeps_state = False
        self.state: Checkpoint | None = None
        self._stack = stack
        self._began = time.monotonic()
        self._state: TrainState | None = None
        observers.warn = self.warn

    def warn(self, text: str) -> None:
        """Say something that the user should know."""
        self.bus.tell(Warned(text))

    def _announce(self, path: Path, kind: str) -> None:
        self.bus.tell(FileWritten(str(path), kind))

    @functools.cached_property
    def training(self) -> TrainingData:
        """Samples, orders and loader of what is learned from. Raises SettingError where memory is too small for it."""
        training = training_data(self.plan, self.warn, Share(self.world.rank, self.world.size))
        self._stack.callback(training.samples.store.close)
        self._stack.callback(training.loader.close)
        return training

    @functools.cached_property
    def data(self) -> RunData:
        """Both splits, opened. Raises SettingError where memory is too small for them."""
        training = self.training
        promised = training.samples.store.bytes_needed() if self.plan.settings.cache == "ram" else 0
        validating = validation_data(self.plan, self.warn, promised)
        self._stack.callback(validating.samples.store.close)
        self._stack.callback(validating.loader.close)
        stores = {"training": training.samples.store, "validation": validating.samples.store}
        if alone := {split: store.unshared for split, store in stores.items() if store.unshared}:
            self.warn(
                f"decoded {' and '.join(alone)} images stay in this process alone, and others cannot share them: "
                f"{next(iter(alone.values()))}"
            )
        return RunData(training, validating)

    def train(self) -> Trained:
        """Train to the end, or as far as one lets us; a TrainResult where there is a folder. Once in a session.

        Raises SavingError and NotFiniteError; KeyboardInterrupt after a signal, everything saved.
        """
        assert self.ended is None, "this run was trained already: open another session"
        self.ended = Ended.FAILED  # until something else is known
        try:
            result = self._trained()
        except KeyboardInterrupt as stop:
            self.ended = Ended.STOPPED
            self._tell_end(stop, Ended.STOPPED, f"stopped by {name_of(stop)}", exit_code(stop))
            if not self.world.is_main:
                self.world.leave_after_rank_0(exit_code(stop))
            self.world.leave_first()
            if self.folder is not None:
                stop.add_note(way_on(self.folder.path))
            raise
        except BoxwrightError as error:
            self._tell_end(error, Ended.FAILED, str(error), error.exit_code)
            if not isinstance(error, LostError | ToldElsewhereError):
                self._note_end(error.exit_code)
            if self.folder is None or not isinstance(error, SavingError | NotFiniteError):
                raise
            told = type(error)(f"{error}; {way_on(self.folder.path)}")
            vars(told).update(vars(error))
            raise told from None
        except Exception as error:
            self._tell_end(error, Ended.FAILED, f"{type(error).__name__}: {error}", EXIT_OUR_FAULT)
            raise
        self.ended = result.ended
        if isinstance(result, TrainResult):
            self._note_end(result.exit_code)
        return result

    def _tell_end(self, error: BaseException, ended: Ended, reason: str, code: int) -> None:
        """The last event of a run that something ended; its log may be another's by now."""
        if isinstance(error, ClaimLostError):
            return
        state, hours = self._state, (time.monotonic() - self._began) / 3600
        came_to = (0, hours, -1, 0.0) if state is None else (state.epoch, hours, state.best_epoch, state.best_fitness)
        place = "" if self.folder is None else str(self.folder)
        self.bus.tell(RunEnded(reason, *came_to, place, (), ended, code))
        vars(error)["ends_events"] = False  # they are told all there is

    def _note_end(self, code: int) -> None:
        """Whatever launcher started this process is not to begin the run again by itself."""
        if code and self.folder is not None and self.world.job:
            note_end(self.folder, code)

    def _trained(self) -> Trained:
        self.observers.call("on_pretrain_routine_start")
        if self.plan.own_changes:
            self.observers.call("on_params_update", dict(self.plan.own_changes))
        for note in self.plan.notes:
            self.warn(note)
        parts = wired(self.plan, self.folder, self.data, self.bus, self.observers, self.world)
        self._state = parts.state
        self.world.after_rank_0(lambda: self._recorded(parts), "opening the run")  # and whatever was drawn before
        self.observers.call("on_pretrain_routine_end")
        return self._fitted(parts)

    def _recorded(self, parts: Wired) -> None:
        """The run has begun: from here on it is written down in its folder, where there is one."""
        if self.folder is None or self.claim is None:
            return
        parts.checkpoints.to(self.folder, self.bus.tell, self.claim.require)
        self.folder.wrote(*RECORDS)
        if self.world.job:
            note_start(self.folder, self.world.job, (parts.state.epoch, parts.state.batch))

    def _fitted(self, parts: Wired) -> Trained:
        began, first_epoch, checkpoints = time.monotonic(), parts.state.epoch, parts.checkpoints
        with stops_collected(patient=self.world.is_several, request=self.world.stop) as request:
            stops = Stops(request, self.observers, self.plan.settings.time)
            services = RunServices(
                self.world,
                self.bus,
                self.data.training,
                parts.validation,
                checkpoints,
                stops,
                self.observers,
                parts.pictures,
            )
            parts.validation.leave = services.leaves_validation
            self.observers.call("on_train_start")
            settings, shape = self.plan.settings.part(LoopSettings), batch_shape(self.plan)
            outcome = Trainer(parts.machines, settings, shape, services, parts.state, checkpoints.running).fit()
            parts.validation.leave = lambda: False
        checkpoints.require_saved()
        if self.keeps_state:
            self.state = checkpoints.snapshot()
        if request.number:
            request.raise_again()
        hours = (time.monotonic() - began) / 3600
        leaves = outcome.ended is Ended.STOPPED and stops.resumable
        ended = self.world.alone(
            lambda: self._ended(parts, outcome, hours, first_epoch, leaves=leaves), "the end of the run"
        )
        told = self.world.broadcast(ended.document() if isinstance(ended, TrainResult) else None, "the result")
        if self.world.is_main:
            assert ended is not None  # its own work
            return ended
        return self._left(parts, outcome, hours) if told is None else TrainResult.from_document(told)

    def _ended(self, parts: Wired, outcome: Outcome, hours: float, first_epoch: int, *, leaves: bool) -> Trained:
        """What the process with the folder does at the end; the others wait."""
        if self.folder is None or leaves:
            return self._left(parts, outcome, hours)
        parts.validation.world = World()
        parts.checkpoints.require_best(first_epoch)
        return self._finished(parts, outcome, hours, first_epoch, self.folder)

    def _left(self, parts: Wired, outcome: Outcome, hours: float) -> Trained:
        """The run stopped by itself and means to go on another time, or has no files: nothing is stripped or drawn."""
        state, folder = parts.state, self.folder
        place = "" if folder is None else str(folder)
        lines = [f"stopped: {outcome.reason}"] if outcome.ended is Ended.STOPPED else []
        lines += [] if folder is None else [way_on(folder.path)]
        best, code = (state.best_epoch, state.best_fitness), 0 if folder is None else EXIT_TRY_AGAIN
        self.bus.tell(RunEnded(outcome.reason, state.epoch, hours, *best, place, tuple(lines), outcome.ended, code))
        came_to = Trained(
            results=state.results,
            fitness=state.best_fitness if state.best_epoch >= 0 else None,
            epochs_done=state.epoch,
            ended=outcome.ended,
            reason=outcome.reason,
        )
        if folder is None:
            return came_to
        again = {**vars(came_to), "exit_code": EXIT_TRY_AGAIN}
        return TrainResult(**again, folder=folder.path, best=folder.best, last=folder.last)

    def _finished(self, parts: Wired, outcome: Outcome, hours: float, first_epoch: int, folder: RunFolder) -> Trained:
        """The run is done: its weights are stripped and validated once more, and it leaves a record."""
        state, network, call = parts.state, parts.machines.average.network, self.observers.call
        ending = Ending(self.plan, folder, network, parts.validation, parts.pictures, state, self.bus.tell, first_epoch)
        try:
            done = ending.finish(outcome, hours)
        except WriteError as error:
            what = f"all epochs are trained, and the end of the run could not be written ({error})"
            raise SavingError(what) from None
        if ending.tells_once_more:
            call("on_fit_epoch_end", values_of(done.results), state.epoch - 1, state.best_fitness, done.fitness)
        call("on_train_end", done.last, done.best, parts.pictures.on, state.epoch - 1, summary_of(done.results))
        return TrainResult(
            results=done.results,
            fitness=done.fitness if state.best_epoch >= 0 else None,
            epochs_done=state.epoch,
            ended=outcome.ended,
            reason=outcome.reason,
            folder=folder.path,
            best=done.best,
            last=done.last,
        )
