# SPDX-License-Identifier: Apache-2.0
"""`boxwright train`: settings -> plan -> run. The last line printed is the run folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boxwright.commands.opening import OpenWeights
from boxwright.commands.training import legacy, naming, replanning, resuming
from boxwright.commands.training.dry_run import planned
from boxwright.commands.training.ending import DONE
from boxwright.commands.training.plan import TrainPlan, plan_of
from boxwright.commands.training.run import TrainResult, run_training
from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.structures.answer import Answer
from boxwright.system.files import remove
from boxwright.system.run_folder import checkpoint_of

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
    checkpoint = resuming.find_checkpoint(resolved.settings)
    return planned(_plan_of_legacy(resolved, checkpoint) if legacy.is_legacy(checkpoint) else _plan_of_resumed(resolved, checkpoint)[0])


def trained(resolved: Resolved[TrainSettings], observers: Sequence[object] = ()) -> TrainResult:
    """Train, or go on training."""
    if not resolved.settings.resume:
        return run_training(plan_of(resolved, None), observers=observers)
    checkpoint = resuming.find_checkpoint(resolved.settings)
    if legacy.is_legacy(checkpoint):
        return run_training(_plan_of_legacy(resolved, checkpoint), observers=observers)
    return _resumed(resolved, checkpoint, observers)


def _plan_of_legacy(resolved: Resolved[TrainSettings], checkpoint: OpenWeights) -> TrainPlan:
    """Go on with a run of the original program, in a folder of our own: the old one stays as it is."""
    settings = legacy.resumed_settings(resolved, checkpoint, resuming.FREE)
    plan = plan_of(settings, legacy.resumed_checkpoint(checkpoint, settings.settings))
    legacy.require_same_classes(plan, checkpoint)
    return legacy.with_average_updates(plan)


def _resumed(asked: Resolved[TrainSettings], checkpoint: OpenWeights, observers: Sequence[object]) -> TrainResult:
    folder = checkpoint.path.parent.parent
    now = resuming.merged(asked, checkpoint)[0].settings
    asks_for_more = "epochs" in resuming.given_keys(asked) and now.epochs != resuming.stored_settings(checkpoint).epochs
    if (folder / DONE).exists() and not asks_for_more:
        return _already_done(folder, checkpoint.document["state"])
    plan, folder = _plan_of_resumed(asked, checkpoint)
    remove(folder / DONE)
    naming.take_off(folder)
    return run_training(plan, folder, observers)


def _plan_of_resumed(asked: Resolved[TrainSettings], checkpoint: OpenWeights) -> tuple[TrainPlan, Path]:
    """The plan to go on with, what changed in it, and the folder of the run."""
    state, before = checkpoint.document["state"], resuming.stored_settings(checkpoint)
    resolved, changes = resuming.merged(asked, checkpoint)
    resolved, told = replanning.replanned(resolved, before, state)
    plan = plan_of(resolved, checkpoint)
    resuming.require_same_data(plan.data, checkpoint)
    moved = replanning.in_other_batches(state, len(plan.data.splits["train"]), before.batch_size, plan.settings.batch_size)
    lines = (*resuming.table_of(changes), *told, *plan.lines)
    return replace(plan, resumed={**checkpoint.document, "state": moved}, lines=lines, replanned=bool(changes)), checkpoint.path.parent.parent


def _already_done(folder: Path, state: dict[str, Any]) -> TrainResult:
    """A finished run stays as it is: whoever starts it again blindly gets its result."""
    best = checkpoint_of(folder, "best")
    ways = f"to go on, give --resume with more --epochs, or start a new run with --weights {best}"
    reason = f"{ALREADY_DONE} after {state['epoch']} epochs; {ways}"
    return TrainResult(folder, best, checkpoint_of(folder, "last"), state["results"], state["epoch"], reason)
