# SPDX-License-Identifier: Apache-2.0
"""`boxwright train`: settings -> plan -> run. The last line printed is the run folder."""

from __future__ import annotations

from pathlib import Path

from boxwright.commands.checkpoints import resumable
from boxwright.commands.opening import OpenWeights, open_weights
from boxwright.commands.training import legacy
from boxwright.commands.training.ending import DONE
from boxwright.commands.training.plan import plan_of
from boxwright.commands.training.run import TrainResult, run_training
from boxwright.config.load import Layer, Resolved, resolve
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError, WeightsError
from boxwright.structures.answer import Answer
from boxwright.system.run_folder import newest_checkpoint
from boxwright.train.checkpoint import STRIPPED_EPOCH

ALREADY_DONE = "this run is done"
FREE_ON_RESUME = {
    "resume",
    "workers",
    "threads",
    "device",
    "quiet",
    "noplots",
    "exist_ok",
    "save_period",
    "save_steps",
    "save_minutes",
    "patience",
    "cache",
    "time",
}


def run(resolved: Resolved[TrainSettings]) -> Answer:
    """Train, or go on training. The last line is the run folder."""
    result = trained(resolved)
    lines = [result.reason, str(result.folder)] if result.reason.startswith(ALREADY_DONE) else [str(result.folder)]
    return Answer("\n".join(lines), {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results})


def trained(resolved: Resolved[TrainSettings]) -> TrainResult:
    """Train, or go on training."""
    if not resolved.settings.resume:
        return run_training(plan_of(resolved, None))
    checkpoint = _checkpoint(resolved.settings)
    if legacy.is_legacy(checkpoint):
        return _gone_on_from_legacy(resolved, checkpoint)
    folder, state = checkpoint.path.parent.parent, checkpoint.document["state"]
    if (folder / DONE).exists() and state["epoch"] >= _stored(checkpoint)["epochs"]:
        reason = f"{ALREADY_DONE} after {state['epoch']} epochs; to go on from its weights, start a new run with --weights {checkpoint.path}"
        weights = folder / "weights"
        return TrainResult(folder, weights / "best.pt", weights / "last.pt", state["results"], state["epoch"], reason)
    plan = plan_of(_resumed_settings(resolved, checkpoint), checkpoint)
    _require_same_data(plan.data.splits["train"].fingerprint(), checkpoint)
    return run_training(plan, folder)


def _gone_on_from_legacy(resolved: Resolved[TrainSettings], checkpoint: OpenWeights) -> TrainResult:
    """Go on with a run of the original program, in a folder of our own: the old one stays as it is."""
    settings = legacy.resumed_settings(resolved, checkpoint, FREE_ON_RESUME)
    plan = plan_of(settings, legacy.resumed_checkpoint(checkpoint, settings.settings))
    legacy.require_same_classes(plan, checkpoint)
    return run_training(legacy.with_average_updates(plan))


def _checkpoint(settings: TrainSettings) -> OpenWeights:
    """The checkpoint to go on from. Raises when there is none or it cannot be continued."""
    if settings.weights:
        raise SettingError("resume + weights", "a resumed run goes on with its own weights", "Leave --weights out, or leave --resume out to start a new run")
    if isinstance(settings.resume, str):
        path = Path(settings.resume)
        path = path / "weights" / "last.pt" if path.is_dir() else path
    else:
        found = newest_checkpoint(settings.project)
        if found is None:
            raise SettingError("--resume", f"there is no last.pt below {settings.project}", "Give the path of one, or leave --resume out")
        path = found
    checkpoint = open_weights(str(path), "--resume")
    if legacy.is_legacy(checkpoint) and resumable(checkpoint.document):
        return checkpoint
    if checkpoint.document.get("epoch") == STRIPPED_EPOCH or checkpoint.document.get("state") is None:
        raise WeightsError(str(path), "was stripped of its training state when its run ended", "Resume last.pt, or start a new run with --weights")
    return checkpoint


def _stored(checkpoint: OpenWeights) -> dict[str, object]:
    stored: dict[str, object] = checkpoint.document["settings"]
    return stored


def _resumed_settings(asked: Resolved[TrainSettings], checkpoint: OpenWeights) -> Resolved[TrainSettings]:
    """The stored settings, with what may change on resume. Raises when a flag contradicts the stored run."""
    origin = f"{checkpoint.path}"
    stored = resolve(TrainSettings, [Layer(origin, _stored(checkpoint))])
    given = {key for key, source in asked.sources.items() if not source.startswith(("built-in", "recipe"))}
    values, sources = dict(_stored(checkpoint)), dict(checkpoint.document["sources"])
    for key in sorted(given):
        mine, theirs = getattr(asked.settings, key), getattr(stored.settings, key)
        if key in FREE_ON_RESUME:
            values[key], sources[key] = mine, asked.sources[key]
        elif mine != theirs:
            what = f"{key} is {mine!r} here and {theirs!r} in the run that is resumed"
            raise SettingError(asked.sources[key], what, f"Leave it out, or start a new run with --weights {checkpoint.path}")
    resolved = resolve(TrainSettings, [Layer(origin, values)])
    notes = (checkpoint.note,) if checkpoint.note else ()
    return Resolved(resolved.settings, sources, notes)


def _require_same_data(fingerprint: str, checkpoint: OpenWeights) -> None:
    if checkpoint.document["data"]["fingerprints"]["train"] != fingerprint:
        where = checkpoint.document["data"]["yaml"]
        raise SettingError("--resume", f"the training data of {where} is not what this run was trained on", "Restore it, or start a new run with --weights")
