# SPDX-License-Identifier: Apache-2.0
"""`boxwright train`: settings -> plan -> run. The last line printed is the run folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import WeightsError
from boxwright.runs import anew, naming
from boxwright.runs import replan as replanning
from boxwright.runs import resume as resuming
from boxwright.runs import resume_legacy as legacy
from boxwright.runs.dry_run import planned
from boxwright.runs.inputs.done import DONE, record_of
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.plan import TrainPlan, plan_of
from boxwright.runs.session import TrainResult, run_training
from boxwright.structures.answer import Answer
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.claim import claimed
from boxwright.system.files import remove
from boxwright.system.run_folder import checkpoint_of
from boxwright.system.tensors import finish_rotation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALREADY_DONE = "this run is done"


def run(resolved: Resolved[TrainSettings]) -> Answer:
    """Train, or go on training. The last line is the run folder."""
    if resolved.settings.dry_run:
        return _dry(resolved)
    result = trained(resolved)
    lines = [result.reason, str(result.folder)] if result.reason.startswith(ALREADY_DONE) else [str(result.folder)]
    document = {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results}
    return Answer(lines, document, exit_code=result.exit_code)


def _dry(resolved: Resolved[TrainSettings]) -> Answer:
    """The plan alone."""
    if not resolved.settings.resume:
        return planned(plan_of(resolved, None))
    folder = resuming.run_of(resuming.checkpoint_place(resolved.settings))
    checkpoint = _to_go_on_from(resolved, folder)
    if checkpoint is not None and checkpoint.is_legacy:
        return planned(_plan_of_legacy(resolved, checkpoint))
    return planned(_plan_of_resumed(resolved, checkpoint, folder))


def trained(resolved: Resolved[TrainSettings], observers: Sequence[object] = ()) -> TrainResult:
    """Train, or go on training."""
    if not resolved.settings.resume:
        return run_training(plan_of(resolved, None), observers=observers)
    path = resuming.checkpoint_place(resolved.settings)
    folder = resuming.run_of(path)
    if record_of(folder) is not None or not resuming.is_own(path):
        checkpoint = resuming.find_checkpoint(resolved.settings)
        if checkpoint.is_legacy:
            return run_training(_plan_of_legacy(resolved, checkpoint), observers=observers)
        if _is_done(folder, resolved, checkpoint):
            return _already_done(folder, checkpoint.checkpoint)
    with claimed(folder) as claim:  # only now is what lies there what will be gone on with
        finish_rotation(path)
        found = _to_go_on_from(resolved, folder)
        if found is not None and found.is_legacy:
            return run_training(_plan_of_legacy(resolved, found), observers=observers)
        if found is not None and _is_done(folder, resolved, found):
            return _already_done(folder, found.checkpoint)
        plan = _plan_of_resumed(resolved, found, folder)
        remove(folder / DONE)
        naming.take_off(folder)
        return run_training(plan, claim, observers)


def _to_go_on_from(asked: Resolved[TrainSettings], folder: Path) -> OpenWeights | None:
    """The checkpoint to go on from; None for a run that begins anew.

    Raises WeightsError where there is something to lose.
    """
    try:
        return resuming.find_checkpoint(asked.settings)
    except WeightsError:
        if not anew.is_unsaved(folder):
            raise
        return None


def _plan_of_legacy(resolved: Resolved[TrainSettings], checkpoint: OpenWeights) -> TrainPlan:
    """Go on with a run of the original program, in a folder of our own: the old one stays as it is."""
    settings = legacy.resumed_settings(resolved, checkpoint, resuming.FREE)
    plan = plan_of(settings, legacy.resumed_checkpoint(checkpoint, settings.settings))
    legacy.require_same_classes(plan, checkpoint)
    return legacy.with_average_updates(plan)


def _is_done(folder: Path, asked: Resolved[TrainSettings], checkpoint: OpenWeights) -> bool:
    """Whether a run came to its end, and is not to be trained for longer."""
    if record_of(folder) is None:
        return False
    now = resuming.merged(asked, checkpoint)[0].settings
    return "epochs" not in resuming.given_keys(asked) or now.epochs == resuming.stored_settings(checkpoint).epochs


def _plan_of_resumed(asked: Resolved[TrainSettings], checkpoint: OpenWeights | None, folder: Path) -> TrainPlan:
    """The plan to go on with, and what changed in it; the run's own from its beginning where there is no checkpoint."""
    if checkpoint is None:
        return plan_of(anew.plan_of_run(folder, asked, resuming.given_keys(asked)), None)
    position, before = checkpoint.checkpoint.position, resuming.stored_settings(checkpoint)
    assert position is not None  # asked for before
    resolved, changes = resuming.merged(asked, checkpoint)
    resolved, told = replanning.replanned(resolved, before, position)
    plan = plan_of(resolved, checkpoint)
    resuming.require_same_data(plan.data, checkpoint)
    moved = replanning.in_other_batches(
        position, len(plan.data.splits["train"]), before.batch_size, plan.settings.batch_size
    )
    lines = (*resuming.table_of(changes), *told, *plan.lines)
    return replace(plan, resumed=replace(checkpoint.checkpoint, position=moved), lines=lines, replanned=bool(changes))


def _already_done(folder: Path, checkpoint: Checkpoint) -> TrainResult:
    """A finished run stays as it is: whoever starts it again blindly gets its result."""
    best, position = checkpoint_of(folder, "best"), checkpoint.position
    assert position is not None  # asked for before
    ways = f"to go on, give --resume with more --epochs, or start a new run with --weights {best}"
    reason = f"{ALREADY_DONE} after {position.epoch} epochs; {ways}"
    return TrainResult(folder, best, checkpoint_of(folder, "last"), position.results, position.epoch, reason)
