# SPDX-License-Identifier: Apache-2.0
"""A training from plan to last line: folder, sinks, machines, trainer, end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boxwright.commands.training import assembly, records
from boxwright.commands.training.best import KeptBests, best_by
from boxwright.commands.training.ending import Ending
from boxwright.commands.training.pictures import RunPictures
from boxwright.commands.training.plan import TrainPlan
from boxwright.commands.training.validation import RunValidation
from boxwright.infer.evaluator import VALIDATION_RULES
from boxwright.native import library
from boxwright.system.device import describe, loader_threads, prepare_process
from boxwright.system.files import sweep_unfinished
from boxwright.system.run_folder import make_run_folder, next_folder
from boxwright.system.tensors import rotate_and_write, write_tensors
from boxwright.track import table
from boxwright.track.class_table import ClassTable, cut_classes
from boxwright.track.console import Console
from boxwright.track.events import CheckpointSaved, RunStarted, Warned
from boxwright.track.log import EventLog, TextLog
from boxwright.track.table import CsvTable
from boxwright.track.tensorboard import TensorBoard
from boxwright.track.tracker import Tracker
from boxwright.train.checkpoint import restore, snapshot, stripped
from boxwright.train.loop import Doors, Machinery, Trainer
from boxwright.train.state import RunningLosses, TrainState
from boxwright.train.stopping import Patience

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TrainResult:
    """Where a run lies and what it came to. `results` are the last validation's, by key."""

    folder: Path
    best: Path
    last: Path
    results: dict[str, float | None]
    epochs_done: int
    reason: str


@dataclass
class _Run:
    """What a running training consists of."""

    plan: TrainPlan
    folder: Path
    tracker: Tracker
    training: assembly.TrainingData
    machines: Machinery
    validation: RunValidation
    pictures: RunPictures
    facts: dict[str, Any]
    state: TrainState
    running: RunningLosses
    bests: KeptBests

    def save(self, kind: str, epoch: int) -> None:
        """Write a checkpoint; last.pt keeps the generation before it."""
        risen = self.bests.improved(self.validation.numbers) if kind == "last" else []
        facts = {**self.facts, "thresholds": self.validation.thresholds, "bests": dict(self.bests.values)}
        document = snapshot(self.machines, self.state, self.running, facts)
        path = self.folder / "weights" / f"{kind}.pt"
        if kind == "last":
            rotate_and_write(path, document)
        else:
            write_tensors(path, document)
        self.tracker.tell(CheckpointSaved(str(path), kind, epoch))
        for name in risen:
            write_tensors(path.with_name(f"best_{name}.pt"), stripped(document))
            self.tracker.tell(CheckpointSaved(str(path.with_name(f"best_{name}.pt")), f"best_{name}", epoch))

    def trainer(self) -> Trainer:
        """The trainer with its doors open."""
        training = self.training
        doors = Doors(
            batches=lambda epoch, first: training.loader(training.batches.batches(epoch, first)),
            validate=lambda network, epoch, _final: self.validation(network, epoch, per_class=False, keep=False),
            save=self.save,
            tell=self.tracker.tell,
            train_batch=self.pictures.train_batch,
        )
        return Trainer(self.machines, assembly.loop_rules(self.plan), doors, self.state, self.running)


def run_training(plan: TrainPlan, folder: Path | None = None) -> TrainResult:
    """Train by a plan; `folder` is that of a run that goes on."""
    settings = plan.settings
    for text in (settings.best_by, *settings.keep_best):
        best_by(text)  # a mistake in it is told before a folder is made
    prepare_process(plan.device, settings.threads)
    library.switch(on=settings.kernels == "auto")
    target = folder or next_folder(settings.project, _name(plan), exist_ok=settings.exist_ok, numbering=settings.run_folders)
    make_run_folder(target, exist_ok=settings.exist_ok or folder is not None)
    tracker = _tracker(plan, target)
    try:
        run = _assembled(plan, target, tracker)
        began = time.monotonic()
        reason = run.trainer().fit()
        return _ended(run, reason, (time.monotonic() - began) / 3600)
    except KeyboardInterrupt as stop:
        stop.add_note(_way_on(target))
        raise
    finally:
        tracker.close()


def _way_on(folder: Path) -> str:
    """What to do about a run that was ended."""
    if (folder / "weights" / "last.pt").exists():
        return f"the last finished epoch is kept, go on with: boxwright train --resume {folder}"
    return f"no epoch was finished, start again ({folder} holds nothing to go on from)"


def _name(plan: TrainPlan) -> str:
    return plan.detector.spec.name if plan.settings.name == "cfg" else plan.settings.name


def _tracker(plan: TrainPlan, folder: Path) -> Tracker:
    settings = plan.settings
    for place in (folder, folder / "weights"):
        sweep_unfinished(place)  # what an interrupted write left; the whole files are there
    console = Console(settings.console, quiet=settings.quiet)
    tables = CsvTable(folder / "results.csv"), ClassTable(folder / "classes.jsonl"), EventLog(folder / "events.jsonl"), TextLog(folder / "run.log")
    return Tracker([console, *tables, TensorBoard(folder)])


def _assembled(plan: TrainPlan, folder: Path, tracker: Tracker) -> _Run:
    """Everything wired together, in the order in which the parts need each other."""

    def warn(text: str) -> None:
        tracker.tell(Warned(text))

    for note in plan.notes:
        warn(note)
    told = list(plan.lines)
    training, validating = assembly.training_data(plan, warn), assembly.validation_data(plan, warn)
    machines = assembly.machines_of(plan, len(training.batches), told.append, warn)
    running = RunningLosses(plan.device)
    state = TrainState(Patience(plan.settings.patience))
    if plan.resumed is not None:
        state = restore(machines, running, plan.resumed)
        table.cut(folder / "results.csv", state.epoch)
        cut_classes(folder / "classes.jsonl", state.epoch)
    rules = replace(VALIDATION_RULES, max_iou=plan.settings.val_iou)
    validation = RunValidation(validating, plan.data.names, rules, machines.loss, machines.precision, plan.device, tracker.tell, best_by(plan.settings.best_by))
    pictures = RunPictures(folder, plan, tracker.tell)
    records.write_records(folder, plan)
    facts = records.checkpoint_facts(plan)
    facts["evaluation"] |= {"precision": machines.precision.name, "threads": facts["machine"]["threads"]}
    bests = KeptBests.of(plan.settings.keep_best, (plan.resumed or {}).get("bests", {}))
    run = _Run(plan, folder, tracker, training, machines, validation, pictures, facts, state, running, bests)
    tracker.tell(
        RunStarted(str(folder), tuple(_opening_lines(plan, folder, machines, told)), state.epoch, plan.settings.epochs, plan.settings.model_dump(mode="json"))
    )
    if plan.resumed is None:
        pictures.labels()
    return run


def _opening_lines(plan: TrainPlan, folder: Path, machines: Machinery, told: list[str]) -> list[str]:
    """What a person wants to read before the first epoch."""
    train, val = plan.data.splits["train"].counts(), plan.data.splits["val"].counts()
    settings = plan.settings
    lines = [
        f"boxwright: recipe {settings.recipe}, {machines.precision.name} on {describe(plan.device)}",
        records.settings_line(plan),
        records.hyp_line(plan),
        f"data: {plan.data.dataset.file}: {_counted(train)} for training, {_counted(val)} for validation, {plan.data.num_classes} classes",
        f"network: {plan.detector.spec.name}, {sum(p.numel() for p in plan.detector.parameters()):,} parameters, strides {plan.detector.strides}",
        *told,
        f"image sizes {plan.train_size} train, {plan.val_size} val; {loader_threads(settings.workers)} loader threads, {library.described()}",
        f"logging to {folder}",
        f"training for {settings.epochs} epochs of {machines.schedule.batches_per_epoch} batches",
    ]
    total = settings.epochs * machines.schedule.batches_per_epoch
    if machines.schedule.warmup_batches >= total:
        lines.append(
            f"the warm-up of {machines.schedule.warmup_batches} batches outlasts the run of {total}; warmup_cap=true or warmup_min_batches=0 shorten it"
        )
    return lines


def _counted(counts: dict[str, int]) -> str:
    left_out = f", {counts['skipped']} left out" if counts["skipped"] else ""
    empty = f", {counts['background']} without objects" if counts["background"] else ""
    return f"{counts['used']} images with {counts['boxes']} objects{empty}{left_out}"


def _ended(run: _Run, reason: str, hours: float) -> TrainResult:
    state, weights = run.state, run.folder / "weights"
    ending = Ending(run.plan, run.folder, run.machines.average.network, run.validation, run.pictures, state, run.tracker.tell)
    results = ending.finish(reason, hours)
    return TrainResult(run.folder, weights / "best.pt", weights / "last.pt", results, state.epoch, reason)
