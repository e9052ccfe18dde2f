# SPDX-License-Identifier: Apache-2.0
"""A training from plan to last line: folder, sinks, machines, trainer, end."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from boxwright.config.schema.loop import LoopSettings
from boxwright.engine.checkpoint import put_back as restore_weights
from boxwright.engine.checkpoint import read_checkpoint, restore, snapshot
from boxwright.engine.finite import NotFiniteError
from boxwright.engine.loop import Machinery, Trainer
from boxwright.engine.patience import Patience
from boxwright.engine.saving import Pace, Saving, SavingError
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.errors import EXIT_DONE, EXIT_TRY_AGAIN
from boxwright.infer.evaluator import VALIDATION_RULES
from boxwright.model.detector import Detector
from boxwright.native import binary
from boxwright.runs import build as assembly
from boxwright.runs import records
from boxwright.runs import resume as resuming
from boxwright.runs.best_by import KeptBests, best_by, settle_best
from boxwright.runs.disk_space import require_room
from boxwright.runs.evaluation.in_training import RunValidation, ValidationData
from boxwright.runs.finish import Ending, shows_classes
from boxwright.runs.inputs.done import DONE
from boxwright.runs.naming import name_of
from boxwright.runs.pictures import RunPictures
from boxwright.runs.plan import TrainPlan
from boxwright.runs.services import RunServices
from boxwright.runs.stops import Stops
from boxwright.runs.way_on import way_on
from boxwright.structures.checkpoint import Checkpoint, EvaluationRecord, Origin
from boxwright.system.claim import Claim, claimed
from boxwright.system.device import describe, loader_threads, prepare_process
from boxwright.system.files import WriteError, copy_folder, remove, sweep_unfinished
from boxwright.system.run_folder import make_run_folder, next_folder, set_weights_aside
from boxwright.system.shared_memory import sweep_unused
from boxwright.system.signals import stops_collected
from boxwright.system.tensors import newest_whole
from boxwright.track.bus import Bus, Sink
from boxwright.track.events import (
    EpochEnded,
    Event,
    LabelsCounted,
    RunEnded,
    RunStarted,
    StepLogged,
    Warned,
    epoch_ended,
)
from boxwright.track.sinks.callbacks import EventObservers, Observers
from boxwright.track.sinks.class_table import ClassTable, cut_classes
from boxwright.track.sinks.console import Console
from boxwright.track.sinks.event_log import EventLog, TextLog, read_log, step_of
from boxwright.track.sinks.json_lines import mend
from boxwright.track.sinks.results_table import CsvTable, TextTable, about_text
from boxwright.track.sinks.tensorboard import TensorBoard, rebuilt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class TrainResult:
    """Where a run lies and what it came to.

    `results` are the last validation's, by key; `exit_code` is the command's.
    """

    folder: Path
    best: Path
    last: Path
    results: dict[str, float | None]
    epochs_done: int
    reason: str
    exit_code: int = EXIT_DONE


@dataclass
class _Run:
    """What a running training consists of."""

    plan: TrainPlan
    claim: Claim
    bus: Bus
    training: assembly.TrainingData
    machines: Machinery
    validation: RunValidation
    pictures: RunPictures
    observers: Observers
    facts: Checkpoint
    state: TrainState
    running: RunningLosses
    bests: KeptBests
    logged: StepLogged | None  # the last one of the epoch that is being trained

    @property
    def folder(self) -> Path:
        """Where the run lies."""
        return self.claim.folder

    @property
    def weights(self) -> Path:
        """Where the checkpoints lie."""
        return self.folder / "weights"

    def close(self) -> None:
        """Let go of what other processes may be waiting for."""
        for samples in (self.training.samples, self.validation.data.samples):
            samples.store.close()

    def trainer(self, saving: Saving, stops: Stops) -> Trainer:
        """The trainer with everything it asks for."""
        services = RunServices(
            self, self.machines.detector, self.training, self.state, saving, stops, self.observers, self.pictures
        )
        settings, shape = self.plan.settings.part(LoopSettings), assembly.batch_shape(self.plan)
        return Trainer(self.machines, settings, shape, services, self.state, self.running)

    def saving(self) -> Saving:
        """What writes the checkpoints."""
        settings = self.plan.settings
        pace = Pace(settings.save_steps, settings.save_minutes)
        return Saving(self.weights, self._snapshot, pace, self.bus.tell, self.claim.require)

    def tell(self, event: Event) -> None:
        """Hand an event to every sink; the last batch is remembered for the row of its epoch."""
        if isinstance(event, StepLogged):
            self.logged = event
        self.bus.tell(event)

    def _snapshot(self) -> Checkpoint:
        facts = replace(self.facts, thresholds=self.validation.thresholds, bests=dict(self.bests.values))
        if (
            self.logged is not None and self.state.batch
        ):  # the row of an epoch shows its last batch, and there may be none left after a restart
            facts = replace(facts, logged={**asdict(self.logged), "losses": list(self.logged.losses)})
        return snapshot(self.machines, self.state, self.running, facts)

    def save(self, saving: Saving, kind: str, epoch: int) -> None:
        """Write a checkpoint. last.pt comes after everything else of its epoch.

        Until it is there, the epoch is trained again.
        """
        if kind == "last":
            for name in self.bests.improved(self.validation.numbers):
                saving(f"best_{name}", epoch, for_use=True)
        saving(kind, epoch)

    def validated(self, network: Detector, epoch: int, *, final: bool) -> tuple[dict[str, float | None], float]:
        settings = self.plan.settings
        shown = final and settings.final_val != "best"  # no other validation follows that would show everything
        per_class = shown and shows_classes(settings, self.plan.data.num_classes)
        found = self.validation(network, epoch, per_class=per_class, keep=shown and self.pictures.on)
        maps = self.validation.class_maps
        self.state.class_maps = [] if maps is None else [float(value) for value in maps]
        return found

    def put_back(self) -> bool:
        last = self.weights / "last.pt"
        if not last.exists():
            return False
        restore_weights(self.machines, newest_whole(last, read_checkpoint)[0])
        return True


def run_training(plan: TrainPlan, claim: Claim | None = None, observers: Sequence[object] = ()) -> TrainResult:
    """Train by a plan; `claim` is that of a run that goes on."""
    settings = plan.settings
    for text in (settings.best_by, *settings.keep_best):
        best_by(text)  # a mistake in it is told before a folder is made
    prepare_process(plan.device, settings.threads)
    binary.switch(on=settings.kernels == "auto")
    if claim is not None:
        return _trained_in(claim, plan, observers)
    target = next_folder(settings.project, name_of(plan), exist_ok=settings.exist_ok, numbering=settings.run_folders)
    require_room(target, plan)  # before anything is made
    make_run_folder(target, exist_ok=settings.exist_ok)
    with claimed(target) as own:
        return _trained_in(own, plan, observers)


def _trained_in(claim: Claim, plan: TrainPlan, observers: Sequence[object]) -> TrainResult:
    """Train in a folder that is ours."""
    target, watching = claim.folder, Observers(observers)
    told = [require_room(target, plan)]
    told += _begun_anew(target) if plan.resumed is None else []
    make_run_folder(target, exist_ok=True)
    if plan.resumed is not None and plan.settings.resume_backs_up_weights:
        copy_folder(target / "weights", target / f"weights_backup_epoch{_first_epoch(plan) - 1}")
    records.write_records(target, plan)  # first: what is ended from here on begins anew from it, or goes on
    bus = _bus(plan, target, watching, told)
    watching.warn = lambda text: bus.tell(Warned(text))
    try:
        watching.call("on_pretrain_routine_start")
        run = _assembled(plan, claim, bus, watching)
        watching.call("on_pretrain_routine_end")
        try:
            return _fitted(run)
        finally:
            run.close()
    except KeyboardInterrupt as stop:
        stop.add_note(way_on(target))
        raise
    except (SavingError, NotFiniteError) as error:
        raise type(error)(f"{error}; {way_on(target)}") from None
    finally:
        bus.close()


def _begun_anew(folder: Path) -> list[str]:
    """Make room for a new run in a folder that had another one; what to say about it."""
    remove(folder / DONE)
    earlier = set_weights_aside(folder)
    return [f"the weights of the run that was in {folder} are in {earlier} now"] if earlier else []


def _fitted(run: _Run) -> TrainResult:
    """Train to the end, or as far as one lets us."""
    began, first_epoch, saving = time.monotonic(), run.state.epoch, run.saving()
    with stops_collected() as request:
        stops = Stops(request, run.observers, run.plan.settings.time)
        run.validation.leave = lambda: bool(stops.reason())
        run.observers.call("on_train_start")
        reason = run.trainer(saving, stops).fit()
        run.validation.leave = lambda: False
    saving.require_saved()
    if request.number:
        request.raise_again()
    hours = (time.monotonic() - began) / 3600
    if stops.resumable and reason == stops.reason():
        return _interrupted(run, reason, hours)
    return _ended(run, reason, hours, first_epoch)


def _interrupted(run: _Run, reason: str, hours: float) -> TrainResult:
    """The run stopped by itself and means to go on another time: everything is saved, nothing is stripped."""
    state = run.state
    lines = (f"stopped: {reason}", way_on(run.folder))
    run.bus.tell(RunEnded(reason, state.epoch, hours, state.best_epoch, state.best_fitness, str(run.folder), lines))
    return TrainResult(
        run.folder, run.weights / "best.pt", run.weights / "last.pt", state.results, state.epoch, reason, EXIT_TRY_AGAIN
    )


def _bus(plan: TrainPlan, folder: Path, observers: Observers, told: list[str]) -> Bus:
    """Every sink, with the files of a run that goes on cut back to what is whole in them.

    What is `told` is said first.
    """
    settings = plan.settings
    for place in (folder, folder / "weights"):
        sweep_unfinished(place)  # what an interrupted write left; the whole files are there
    past = _past(plan)
    told.append(mend(folder / "events.jsonl"))
    log = read_log(folder / "events.jsonl")
    told.append(cut_classes(folder / "classes.jsonl", _first_epoch(plan), log.validations))
    console = Console(settings.console, quiet=settings.quiet)
    board = (
        rebuilt(folder, log, past, settings.tensorboard_tags)
        if past
        else TensorBoard(folder, (), settings.tensorboard_tags)
    )
    tables: list[Sink] = [CsvTable(folder / "results.csv", past), ClassTable(folder / "classes.jsonl"), board]
    if settings.results_file == "txt":
        told.append(about_text(folder / "results.txt"))
        tables.append(TextTable(folder / "results.txt", past, log.steps, _logged(plan)))
    bus = Bus(
        [
            console,
            *tables,
            EventLog(folder / "events.jsonl", _logged(plan)),
            TextLog(folder / "run.log"),
            EventObservers(observers),
        ]
    )
    for text in filter(None, told):
        bus.tell(Warned(text))
    return bus


def _logged(plan: TrainPlan) -> StepLogged | None:
    """The last batch of the epoch that a resumed run stands in, as it was told before."""
    return None if plan.resumed is None or plan.resumed.logged is None else step_of(plan.resumed.logged)


def _past(plan: TrainPlan) -> list[EpochEnded]:
    """The epochs that a resumed run has behind it."""
    position = None if plan.resumed is None else plan.resumed.position
    return [] if position is None else [epoch_ended(row, plan.settings.epochs) for row in position.history]


def _first_epoch(plan: TrainPlan) -> int:
    """The epoch in which a run begins or goes on."""
    return 0 if plan.resumed is None or plan.resumed.position is None else plan.resumed.position.epoch


def _assembled(plan: TrainPlan, claim: Claim, bus: Bus, observers: Observers) -> _Run:
    """Everything wired together, in the order in which the parts need each other."""
    folder = claim.folder

    def warn(text: str) -> None:
        bus.tell(Warned(text))

    for note in plan.notes:
        warn(note)
    told = list(plan.lines)
    training, validating = _data(plan, warn)
    sweep_unused()  # what killed runs left in memory; only now, since this run may have gone on with it
    machines = assembly.machines_of(plan, len(training.batches), told.append, warn)
    running = RunningLosses(plan.device)
    state = TrainState(Patience(plan.settings.patience))
    if plan.resumed is not None:
        state = restore(machines, running, plan.resumed)
        state.patience = replace(state.patience, epochs=plan.settings.patience)
        machine = records.machine(plan.device) | {"precision": machines.precision.name}
        told += resuming.lines_of(
            plan.resumed, state, machine, replanned=plan.replanned, trusting=plan.settings.trust_cache
        )
        if plan.resumed.origin is Origin.OURS and (
            lost := settle_best(folder / "weights" / "best.pt", state, plan.resumed)
        ):  # of a run of ours, in its folder
            warn(lost)
    elif plan.carried is not None:
        plan.carried.into(machines, state)
    rules, judge = replace(VALIDATION_RULES, max_iou=plan.settings.val_iou), best_by(plan.settings.best_by)
    validation = RunValidation(
        validating,
        plan.data.names,
        rules,
        machines.loss,
        machines.precision,
        plan.device,
        bus.tell,
        judge,
        observers=observers,
    )
    pictures = RunPictures(folder, plan, bus.tell)
    facts = records.checkpoint_facts(plan)
    held = {"precision": machines.precision.name, "threads": facts.machine["threads"]}
    facts = replace(facts, evaluation=EvaluationRecord.of({**facts.evaluation.given(), **held}))
    bests = KeptBests.of(
        plan.settings.keep_best, {} if plan.resumed is None else plan.resumed.bests, folder / "weights"
    )
    run = _Run(
        plan,
        claim,
        bus,
        training,
        machines,
        validation,
        pictures,
        observers,
        facts,
        state,
        running,
        bests,
        _logged(plan),
    )
    bus.tell(
        RunStarted(
            str(folder),
            tuple(_opening_lines(plan, folder, machines, told)),
            state.epoch,
            plan.settings.epochs,
            plan.settings.model_dump(mode="json"),
        )
    )
    if plan.resumed is None:
        bus.tell(LabelsCounted(tuple(plan.data.splits["train"].class_counts(plan.data.num_classes).tolist())))
        pictures.labels()
    return run


def _data(plan: TrainPlan, warn: Callable[[str], None]) -> tuple[assembly.TrainingData, ValidationData]:
    training = assembly.training_data(plan, warn)
    promised = training.samples.store.bytes_needed() if plan.settings.cache == "ram" else 0
    validating = assembly.validation_data(plan, warn, promised)
    stores = {"training": training.samples.store, "validation": validating.samples.store}
    if alone := {split: store.unshared for split, store in stores.items() if store.unshared}:
        warn(
            f"decoded {' and '.join(alone)} images stay in this process alone, and others cannot share them: "
            f"{next(iter(alone.values()))}"
        )
    return training, validating


def _opening_lines(plan: TrainPlan, folder: Path, machines: Machinery, told: list[str]) -> list[str]:
    """What a person wants to read before the first epoch."""
    train, val = plan.data.splits["train"].counts(), plan.data.splits["val"].counts()
    settings = plan.settings
    return [
        f"boxwright: recipe {settings.recipe}, {machines.precision.name} on {describe(plan.device)}",
        records.settings_line(plan),
        records.hyp_line(plan),
        (
            f"data: {plan.data.dataset.file}: {_counted(train)} for training, {_counted(val)} for validation, "
            f"{plan.data.num_classes} classes"
        ),
        (
            f"network: {plan.detector.spec.name}, {sum(p.numel() for p in plan.detector.parameters()):,} parameters, "
            f"strides {plan.detector.strides}"
        ),
        *told,
        (
            f"image sizes {plan.train_size} train, {plan.val_size} val; {loader_threads(settings.workers)} loader "
            "threads, "
            f"{binary.described()}"
        ),
        f"logging to {folder}",
        f"training for {settings.epochs} epochs of {machines.schedule.batches_per_epoch} batches",
        *(
            [
                (
                    "noval: only the final epoch is validated; until then there is no best.pt, and nothing stops the "
                    "run "
                    "early"
                )
            ]
            if settings.noval
            else []
        ),
        *(
            ["nosave: only the final epoch is saved; if the run is interrupted, it cannot be resumed"]
            if settings.nosave
            else []
        ),
        *records.about_warmup(machines.schedule),
    ]


def _counted(counts: dict[str, int]) -> str:
    left_out = f", {counts['skipped']} left out" if counts["skipped"] else ""
    empty = f", {counts['background']} without objects" if counts["background"] else ""
    return f"{counts['used']} images with {counts['boxes']} objects{empty}{left_out}"


def _require_best(run: _Run, first_epoch: int) -> None:
    """A best epoch of this start of the run has its weights, unless they were not to be saved. Raises SavingError."""
    state, settings = run.state, run.plan.settings
    is_final = state.best_epoch + 1 == settings.epochs
    due = (
        state.best_epoch >= first_epoch
        and (settings.best_in_final_epoch or not is_final)
        and (not settings.nosave or state.best_epoch + 1 == state.epoch)
    )
    if due and not (run.weights / "best.pt").exists():
        raise SavingError(f"{run.weights / 'best.pt'} of epoch {state.best_epoch} is gone: something else removed it")


def _ended(run: _Run, reason: str, hours: float, first_epoch: int) -> TrainResult:
    state = run.state
    _require_best(run, first_epoch)
    ending = Ending(
        run.plan,
        run.folder,
        run.machines.average.network,
        run.validation,
        run.pictures,
        state,
        run.bus.tell,
        first_epoch,
    )
    try:
        done = ending.finish(reason, hours)
    except WriteError as error:
        raise SavingError(f"all epochs are trained, and the end of the run could not be written ({error})") from None
    if ending.tells_once_more:
        run.observers.call(
            "on_fit_epoch_end", list(done.results.values()), state.epoch - 1, state.best_fitness, done.fitness
        )
    run.observers.call("on_train_end", done.last, done.best, run.pictures.on, state.epoch - 1, done.results)
    return TrainResult(run.folder, done.best, done.last, done.results, state.epoch, reason)
