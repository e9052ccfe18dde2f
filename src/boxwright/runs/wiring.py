# SPDX-License-Identifier: Apache-2.0
"""The parts of a training wired together, in the order in which they need each other."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from boxwright.engine.checkpoint import restore
from boxwright.engine.loop import Machinery
from boxwright.engine.patience import Patience
from boxwright.engine.replicas import take_own
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.runs import records
from boxwright.runs import resume as resuming
from boxwright.runs.best_by import KeptBests, best_by, settle_best
from boxwright.runs.build import TrainingData, machines_of
from boxwright.runs.checkpoints import RunCheckpoints
from boxwright.runs.evaluation.evaluate import ValidationData
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.evaluation.shown_boxes import ShownBoxes
from boxwright.runs.opening_lines import opening_lines
from boxwright.runs.pictures import RunPictures
from boxwright.runs.plan import TrainPlan
from boxwright.runs.sinks import logged_step
from boxwright.runs.tracking import box_interval
from boxwright.structures.checkpoint import EvaluationRecord
from boxwright.system.distributed.world import World
from boxwright.system.run_folder import RunFolder
from boxwright.system.shared_memory import sweep_unused
from boxwright.track.bus import Bus
from boxwright.track.events import LabelsCounted, RunStarted, Warned
from boxwright.track.sinks.callbacks import Observers


class Wired(NamedTuple):
    """What a training works with beside its data."""

    machines: Machinery
    state: TrainState
    validation: RunValidation
    pictures: RunPictures
    checkpoints: RunCheckpoints


def wired(
    plan: TrainPlan,
    folder: RunFolder | None,
    data: tuple[TrainingData, ValidationData],
    bus: Bus,
    observers: Observers,
    world: World,
) -> Wired:
    """Network, optimizer and state, from the beginning or from a checkpoint; sinks are told that the run starts."""
    training, validating = data
    sweep_unused()  # what killed runs left in memory; only now, since this run may have gone on with it
    lines = list(plan.lines)
    if world.is_several:
        lines.append(f"processes: {world.size} share each batch of {plan.settings.batch_size} images")
    machines = machines_of(plan, len(training.batches), lines.append, lambda text: bus.tell(Warned(text)), world)
    running = RunningLosses(plan.device)
    state = _state(plan, folder, machines, running, bus, lines)
    # what counts as best depends on what lies in the folder, which rank 0 alone has looked into
    state.best_fitness, state.best_epoch = world.broadcast((state.best_fitness, state.best_epoch), "the best epoch")
    if plan.resumed is not None:
        lines += take_own(machines, plan.resumed, world)
    facts = records.checkpoint_facts(plan, folder)
    threads = facts.machine["threads"]
    assert isinstance(threads, int)  # what `machine` counted
    evaluation = replace(validating.plan, precision=machines.precision.name, threads=threads)
    facts = replace(facts, evaluation=EvaluationRecord.of(evaluation.document()))
    validation = RunValidation(
        validating.under(evaluation),
        plan.data.names,
        machines.loss,
        bus.tell,
        best_by(plan.settings.best_by),
        observers=observers,
        world=world,
    )
    if folder is not None and (interval := box_interval(plan)):
        validation.shown = ShownBoxes(folder, plan.data.names, interval, plan.settings.epochs)
    risen = {} if plan.resumed is None else plan.resumed.bests
    bests = KeptBests.of(plan.settings.keep_best, risen, folder)
    checkpoints = RunCheckpoints(
        *(plan, machines, state, running, validation, facts, bests, logged_step(plan), world), sinks=bus.states
    )
    pictures = RunPictures(folder, plan, bus.tell)
    settings, place = plan.settings, "" if folder is None else str(folder)
    opening, values = opening_lines(plan, folder, machines, lines), settings.model_dump(mode="json")
    bus.tell(RunStarted(place, opening.lines, state.epoch, settings.epochs, values, opening.details))
    if plan.resumed is None:
        bus.tell(LabelsCounted(tuple(plan.data.splits["train"].class_counts(plan.data.num_classes).tolist())))
        pictures.labels()
    return Wired(machines, state, validation, pictures, checkpoints)


def _state(
    plan: TrainPlan,
    folder: RunFolder | None,
    machines: Machinery,
    running: RunningLosses,
    bus: Bus,
    lines: list[str],
) -> TrainState:
    """Where the run stands; of one that goes on, everything is put back, and lines say how exactly."""
    state = TrainState(Patience(plan.settings.patience))
    if plan.resumed is None:
        if plan.carried is not None:
            plan.carried.into(machines, state, lines.append)
        return state
    state = restore(machines, running, plan.resumed)
    state.patience = replace(state.patience, epochs=plan.settings.patience)
    machine = records.machine(plan.device) | {"precision": machines.precision.name}
    trusting = plan.settings.trust_cache
    lines += resuming.lines_of(plan.resumed, state, machine, replanned=plan.replanned, trusting=trusting)
    is_own = not plan.resumed.is_legacy  # a run of ours, in its folder
    if is_own and folder is not None and (lost := settle_best(folder, state, plan.resumed)):
        bus.tell(Warned(lost))
    return state
