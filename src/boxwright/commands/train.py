# SPDX-License-Identifier: Apache-2.0
"""`boxwright train`: settings -> plan -> run. The last line printed is the run folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from boxwright.commands.opening import OpenWeights
from boxwright.commands.training import replanning, resuming
from boxwright.commands.training.ending import DONE
from boxwright.commands.training.plan import plan_of
from boxwright.commands.training.run import TrainResult, run_training
from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.structures.answer import Answer
from boxwright.system.files import remove

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ALREADY_DONE = "this run is done"


def run(resolved: Resolved[TrainSettings]) -> Answer:
    """Train, or go on training. The last line is the run folder."""
    result = trained(resolved)
    lines = [result.reason, str(result.folder)] if result.reason.startswith(ALREADY_DONE) else [str(result.folder)]
    document = {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results}
    return Answer("\n".join(lines), document, exit_code=result.exit_code)


def trained(resolved: Resolved[TrainSettings], observers: Sequence[object] = ()) -> TrainResult:
    """Train, or go on training."""
    if not resolved.settings.resume:
        return run_training(plan_of(resolved, None), observers=observers)
    return _resumed(resolved, resuming.find_checkpoint(resolved.settings), observers)


def _resumed(asked: Resolved[TrainSettings], checkpoint: OpenWeights, observers: Sequence[object]) -> TrainResult:
    folder, state = checkpoint.path.parent.parent, checkpoint.document["state"]
    before = resuming.stored_settings(checkpoint)
    resolved, changes = resuming.merged(asked, checkpoint)
    if (folder / DONE).exists() and resolved.settings.epochs == before.epochs:
        return _already_done(folder, state)
    resolved, told = replanning.replanned(resolved, before, state)
    plan = plan_of(resolved, checkpoint)
    resuming.require_same_data({split: index.fingerprint() for split, index in plan.data.splits.items()}, checkpoint)
    moved = replanning.in_other_batches(state, len(plan.data.splits["train"]), before.batch_size, resolved.settings.batch_size)
    document = {**checkpoint.document, "state": moved}
    remove(folder / DONE)
    return run_training(replace(plan, resumed=document, lines=(*resuming.table_of(changes), *told, *plan.lines)), folder, observers)


def _already_done(folder: Path, state: dict[str, Any]) -> TrainResult:
    """A finished run stays as it is: whoever starts it again blindly gets its result."""
    weights = folder / "weights"
    ways = f"to go on, give --resume with more --epochs, or start a new run with --weights {weights / 'best.pt'}"
    reason = f"{ALREADY_DONE} after {state['epoch']} epochs; {ways}"
    return TrainResult(folder, weights / "best.pt", weights / "last.pt", state["results"], state["epoch"], reason)
