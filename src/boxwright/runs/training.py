# SPDX-License-Identifier: Apache-2.0
"""A training from its settings to its result: begun, gone on with, or done already. What verb and API call."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.run_paths import place_of_document, with_whole_paths
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import read_yaml
from boxwright.errors import BoxwrightError, SettingError, WeightsError
from boxwright.runs import replan as replanning
from boxwright.runs import resume as resuming
from boxwright.runs import resume_legacy as legacy
from boxwright.runs.agree_before_start import on_own_device, require_same, require_shares, without_others
from boxwright.runs.dry_run import planned
from boxwright.runs.folder import folder_of
from boxwright.runs.generations import is_unsaved, settings_of_run
from boxwright.runs.inputs.bucket_run import with_run_here
from boxwright.runs.inputs.class_match import matching_of
from boxwright.runs.inputs.run_place import data_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.ray_engine import train_on_ray
from boxwright.runs.result import TrainResult
from boxwright.runs.resume_edits import with_edits
from boxwright.runs.session import session
from boxwright.runs.several_processes import (
    begun_by,
    processes_asked,
    require_no_end,
    train_in_processes,
    without_result_file,
    write_result,
)
from boxwright.structures.answer import Answer
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.buckets.address import is_address
from boxwright.system.claim import Claim, claimed
from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.launch_environment import Launch, launch_of_environment
from boxwright.system.distributed.process_group import world_of
from boxwright.system.distributed.world import World
from boxwright.system.files import remove
from boxwright.system.run_folder import RunFile, RunFolder, run_of
from boxwright.system.tensors import finish_rotation
from boxwright.system.terminal import say
from boxwright.track.events import Ended
from boxwright.track.sinks.rank_warnings import RankWarnings
from boxwright.track.sinks.results_table import whole_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def train(
    resolved: Resolved[TrainSettings], observers: Sequence[object] = (), launch: Launch | None = None
) -> TrainResult:
    """Train, or go on training, as the settings say; with the other processes that a launcher started.

    `launch` is given by one that does not speak through the environment.
    """
    if launch is None and launch_of_environment() is None:
        resolved = with_run_here(resolved, say)
    settings = resolved.settings
    if settings.engine == "ray" and launch is None:
        return train_on_ray(resolved, observers, train)
    launch = launch or launch_of_environment()
    is_alone = launch is None or launch.size == 1
    if is_alone and settings.engine != "ray" and (processes := processes_asked(settings)) > 1:
        return train_in_processes(resolved, processes, observers)
    try:
        with world_of(launch, settings.rank_timeout) as world:
            if launch is not None and (begun := begun_by(launch, settings, world)):
                resolved = replace(resolved, settings=settings.model_copy(update={"resume": begun}))
            resolved = without_result_file(_with_run_here(resolved, world))
            if not resolved.settings.resume:
                require_shares(resolved.settings, world)  # before data are read
            result = _train(on_own_device(resolved, world), observers, world)
            world.code = result.exit_code
    except BoxwrightError as error:
        if error.is_to_tell and not isinstance(error, LostError):
            write_result(settings.result_file, None)
        raise
    if not result.is_told:
        write_result(settings.result_file, result)
    return result


def _with_run_here(resolved: Resolved[TrainSettings], world: World) -> Resolved[TrainSettings]:
    """A run that lies in a bucket is fetched by one process, into the folder of runs that all of them see."""
    world.alone(lambda: with_run_here(resolved, say), "fetching the run")
    return with_run_here(resolved, say, fetching=False)


def _train(resolved: Resolved[TrainSettings], observers: Sequence[object], world: World) -> TrainResult:
    if not resolved.settings.resume:
        return _run(_planned(lambda: plan_of(resolved, None), world), world, observers)
    path = resuming.checkpoint_place(resolved)
    folder = RunFolder(run_of(path))
    require_no_end(folder, world)
    if folder.done() is not None or not resuming.is_own(path):
        checkpoint = resuming.find_checkpoint(resolved)
        if checkpoint.is_legacy:
            return _run(_planned(lambda: _plan_of_legacy(resolved, checkpoint), world), world, observers)
        if _is_done(folder, with_edits(resolved, folder, checkpoint)[0], checkpoint):
            return _already_done(folder, checkpoint.checkpoint, world)
    with claimed(folder.path) if world.is_main else contextlib.nullcontext() as claim:
        world.alone(lambda: finish_rotation(path), "the newest checkpoint")  # what lies there will be gone on with
        found = _to_go_on_from(resolved, folder)
        if found is not None and found.is_legacy:
            return _run(_planned(lambda: _plan_of_legacy(resolved, found), world), world, observers)
        asked, edits = with_edits(resolved, folder, found)
        if found is not None and _is_done(folder, asked, found):
            return _already_done(folder, found.checkpoint, world)
        plan = _planned(lambda: _plan_of_resumed(asked, found, folder, edits), world)
        if world.is_main:
            remove(folder / RunFile.DONE)
            folder.take_off()
        return _run(plan, world, observers, folder, claim)


def _planned(make: Callable[[], TrainPlan], world: World) -> TrainPlan:
    """The plan, the same in all processes. One of each host reads the data first, and the others what it has left."""
    plan = world.first_on_host(make, "reading data and weights")
    require_shares(plan.settings, world)
    require_same(plan, world)
    return plan if world.is_several else replace(plan, notes=(*plan.notes, *without_others(plan.resolved)))


def dry_run(resolved: Resolved[TrainSettings]) -> Answer:
    """The plan of the same training, and nothing made or written. Of several processes one tells it."""
    launch = launch_of_environment()
    if launch is not None and launch.rank:
        return Answer([], None)
    if not resolved.settings.resume:
        return planned(plan_of(resolved, None))
    if isinstance(resolved.settings.resume, str) and is_address(resolved.settings.resume):
        raise SettingError(
            "--dry-run + --resume", "the run is in a bucket, and nothing is fetched now", "Name a folder"
        )
    folder = RunFolder(run_of(resuming.checkpoint_place(resolved)))
    checkpoint = _to_go_on_from(resolved, folder)
    if checkpoint is not None and checkpoint.is_legacy:
        return planned(_plan_of_legacy(resolved, checkpoint))
    asked, edits = with_edits(resolved, folder, checkpoint)
    return planned(_plan_of_resumed(asked, checkpoint, folder, edits))


def _run(
    plan: TrainPlan,
    world: World,
    observers: Sequence[object],
    folder: RunFolder | None = None,
    claim: Claim | None = None,
) -> TrainResult:
    """One session; in a new folder, unless the run goes on in its own. Of several processes one has the folder."""
    place = (folder or folder_of(plan)) if world.is_main else None
    others = [RankWarnings(world.rank)] if plan.settings.log_ranks and not world.is_main else []
    with session(plan, folder=place, claim=claim, sinks=others, observers=observers, world=world) as run:
        result = run.train()
    assert isinstance(result, TrainResult), "a run in a folder has its places in its result"
    return result


def _to_go_on_from(asked: Resolved[TrainSettings], folder: RunFolder) -> OpenWeights | None:
    """The checkpoint to go on from; None for a run that begins anew.

    Raises WeightsError where there is something to lose.
    """
    try:
        return resuming.find_checkpoint(asked)
    except WeightsError:
        if not is_unsaved(folder.path):
            raise
        return None


def _plan_of_legacy(resolved: Resolved[TrainSettings], checkpoint: OpenWeights) -> TrainPlan:
    """Go on with a run of the original program, in a folder of our own: the old one stays as it is."""
    settings = legacy.resumed_settings(resolved, checkpoint, resuming.FREE)
    matching = matching_of(resolved.settings)
    plan = plan_of(settings, legacy.resumed_checkpoint(checkpoint, settings.settings), matching)
    legacy.require_same_classes(plan, checkpoint, matching)
    assert checkpoint.legacy is not None  # asked for before
    rows = whole_rows(checkpoint.legacy.training_results)
    return replace(legacy.with_average_updates(plan), earlier_rows=rows)


def _plan_of_resumed(
    asked: Resolved[TrainSettings], checkpoint: OpenWeights | None, folder: RunFolder, edits: list[str]
) -> TrainPlan:
    """The plan to go on with, and what changed in it; the run's own from its beginning where there is no checkpoint.

    `edits` are lines about what was changed by hand.
    """
    asked = with_whole_paths(asked)
    if checkpoint is None:
        again = settings_of_run(folder.path, asked, resuming.given_keys(asked))
        starts = place_of_document(read_yaml(folder / RunFile.SETTINGS)).starts
        plan = plan_of(again, None, starts=starts)
        return replace(plan, notes=(*edits, *plan.notes))
    position, before = checkpoint.checkpoint.position, resuming.stored_settings(checkpoint)
    assert position is not None  # asked for before
    resolved, changes = resuming.merged(asked, checkpoint)
    resolved, told = replanning.replanned(resolved, before, position)
    data_of_run(checkpoint, resolved.settings.data)
    matching = matching_of(asked.settings)
    plan = plan_of(resolved, checkpoint, matching)
    resuming.require_same_data(plan.data, checkpoint, matching)
    moved = replanning.in_other_batches(
        position, len(plan.data.splits["train"]), before.batch_size, plan.settings.batch_size
    )
    lines = (*edits, *resuming.table_of(changes), *told, *plan.lines)
    return replace(plan, resumed=replace(checkpoint.checkpoint, position=moved), lines=lines, replanned=bool(changes))


def _is_done(folder: RunFolder, asked: Resolved[TrainSettings], checkpoint: OpenWeights) -> bool:
    """Whether a run came to its end, and is not to be trained for longer."""
    if folder.done() is None:
        return False
    now = resuming.merged(asked, checkpoint)[0].settings
    return "epochs" not in resuming.given_keys(asked) or now.epochs == resuming.stored_settings(checkpoint).epochs


def _already_done(folder: RunFolder, checkpoint: Checkpoint, world: World) -> TrainResult:
    """A finished run stays as it is: whoever starts it again blindly gets its result."""
    best, position = folder.stored("best"), checkpoint.position
    assert position is not None  # asked for before
    ways = f"to go on, give --resume with more --epochs, or start a new run with --weights {best}"
    return TrainResult(
        results=position.results,
        fitness=position.best_fitness if position.best_epoch >= 0 else None,
        epochs_done=position.epoch,
        ended=Ended.ALREADY_DONE,
        reason=f"this run is done after {position.epoch} epochs; {ways}",
        folder=folder.path,
        best=best,
        last=folder.stored("last"),
        is_told=not world.is_main,
    )
