# SPDX-License-Identifier: Apache-2.0
"""Going on: which checkpoint, under which settings, and what of it differs from the run as it was.

Apart from it, because others ask for them as well or because they need no checkpoint: `generations` (what a folder
still holds, and a run of which nothing was saved), `replan` (another number of epochs, another batch size) and
`resume_legacy` (files of the original program).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from boxwright.config.load import Layer, Resolved, resolve
from boxwright.config.origin import BUILT_IN, Origin, Source, read_source
from boxwright.config.recipes import projects_of_recipes
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import spelling_of
from boxwright.data.index.fingerprint import difference
from boxwright.engine.state import TrainState
from boxwright.errors import SettingError, WeightsError
from boxwright.model.class_names import beside
from boxwright.runs.generations import generations
from boxwright.runs.inputs.class_match import WAYS, Matching
from boxwright.runs.inputs.open_data import OpenData, fingerprint_in
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.runs.inputs.run_place import place_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.structures.answer import table
from boxwright.structures.checkpoint import Checkpoint, DataRecord
from boxwright.system.run_folder import RunFile, checkpoint_of, newest_checkpoint, run_of
from boxwright.system.tensors import is_ours

# What a flag may change without a word: where and how fast, not what is computed.
FREE = {
    "resume",
    "workers",
    "threads",
    "device",
    "processes",
    "rank_timeout",
    "log_ranks",
    "max_restarts",
    "engine",
    "workers_ray",
    "result_file",
    "quiet",
    "ndjson_console",
    "ndjson_file",
    "noplots",
    "exist_ok",
    "save_period",
    "save_steps",
    "save_minutes",
    "patience",
    "cache",
    "time",
    "extend",
    "dry_run",
    "bucket",
    "bucket_every",
    "bucket_wait",
}
# How the classes of a start's data are taken; the run keeps what it began with.
OF_A_START = {"names_by_position", "match_names"}
# What may change and is shown: another run from here on, and a sound one.
CHANGEABLE = {
    "epochs",
    "batch_size",
    "data",
    "close_mosaic",
    "multi_scale",
    "label_smoothing",
    "clip_norm",
    "max_nonfinite_steps",
    "on_nonfinite",
    "hyp",
}
# Hyperparameters that describe the network, which is there already.
FIXED_HYP = {"anchors"}


@dataclass(frozen=True)
class Change:
    """One setting that differs from the stored run."""

    key: str
    stored: Any
    now: Any
    source: str


# -- which checkpoint


def checkpoint_place(asked: Resolved[TrainSettings]) -> Path:
    """Where the state to go on from lies, or would lie. Raises SettingError when no run is named and none is found.

    Without a name it is the newest run, in whichever folder the trainers of all years keep them.
    """
    settings = asked.settings
    if settings.weights and settings.resume_settings == "stored":
        raise SettingError(
            "resume + weights",
            "a resumed run goes on with its own weights",
            "Leave --weights out, or leave --resume out to start a new run",
        )
    named = settings.weights or (
        settings.resume if isinstance(settings.resume, str) else ""
    )  # weights are given where the command line counts
    if not named:
        own = asked.sources["project"].chosen
        places = (settings.project,) if own else tuple(dict.fromkeys((settings.project, *projects_of_recipes())))
        found = newest_checkpoint(*places)
        if found is None:
            raise SettingError(
                "--resume",
                f"there is no last.pt below {' or '.join(places)}",
                "Give the path of one, or leave --resume out",
            )
        return found
    path = Path(named)
    path = checkpoint_of(path, "last") if path.is_dir() else path
    if settings.weights and not (run_of(path) / RunFile.SETTINGS).is_file():
        raise SettingError(
            "resume + weights",
            f"{path} lies in no run folder",
            "Give one that does, or leave --resume out to start a new run",
        )
    return path


def is_own(path: Path) -> bool:
    """Whether a checkpoint is of a run of this program, as far as a look at it tells: it may be damaged or gone."""
    return (run_of(path) / RunFile.SETTINGS).is_file() or is_ours(path)


def find_checkpoint(asked: Resolved[TrainSettings]) -> OpenWeights:
    """The checkpoint to go on from: the one that is named, or the next whole one of its run.

    Raises when there is none or it cannot be continued.
    """
    path = checkpoint_place(asked)
    flag = "--weights" if asked.settings.weights else "--resume"
    try:
        checkpoint = open_weights(str(path), flag)
    except WeightsError as error:
        older = next(generations(run_of(path)), None) if path == checkpoint_of(run_of(path), "last") else None
        if older is None:
            raise
        return OpenWeights(
            older.path, older.checkpoint, f"{error.where}: {error.what}. Going on from {older.path.name} instead"
        )
    if not checkpoint.resumable:
        raise WeightsError(
            str(path),
            "was stripped of its training state when its run ended",
            "Resume last.pt, or start a new run with --weights",
        )
    return checkpoint


# -- under which settings


def stored_settings(checkpoint: OpenWeights) -> TrainSettings:
    """The settings of the run as it was; keys that are newer than the checkpoint have their defaults."""
    stored = place_of_run(checkpoint).values(checkpoint.checkpoint.settings)
    known = {key: value for key, value in stored.items() if key in TrainSettings.model_fields}
    return resolve(TrainSettings, [Layer(Source(Origin.CHECKPOINT, str(checkpoint.path)), known)]).settings


def given_keys(asked: Resolved[TrainSettings]) -> set[str]:
    """What the user wrote, as against what follows from defaults and recipes."""
    return {key for key, source in asked.sources.items() if source.chosen}


def merged(asked: Resolved[TrainSettings], checkpoint: OpenWeights) -> tuple[Resolved[TrainSettings], list[Change]]:
    """The settings to go on with, and what differs. Raises for what cannot change, by name.

    The stored ones count, and what the user wrote beside them; where the recipe that is asked for says so, all of the
    command line counts.
    """
    before = stored_settings(checkpoint)
    whole = before.resume_settings == asked.settings.resume_settings == "command-line"
    keys = (
        set(TrainSettings.model_fields) - {"weights"} if whole else given_keys(asked)
    )  # given ones are the checkpoint, not what its run began with
    values, sources = (
        before.model_dump(),
        dict.fromkeys(TrainSettings.model_fields, BUILT_IN)
        | {key: read_source(place) for key, place in checkpoint.checkpoint.sources.items()},
    )
    changes = []
    for key in sorted(keys):
        mine, theirs = getattr(asked.settings, key), getattr(before, key)
        if key in OF_A_START or mine == theirs or (whole and key not in given_keys(asked) and not _may_change(key)):
            continue
        if not _may_change(key):
            what = f"{key} is {mine!r} here and {theirs!r} in the run that is resumed, which cannot change on the way"
            raise SettingError(
                asked.sources[key].place, what, f"Leave it out, or start a new run with --weights {checkpoint.path}"
            )
        values[key], sources[key] = mine, asked.sources[key]
        if key not in FREE:
            changes.append(Change(key, theirs, mine, asked.sources[key].place))
    values["ndjson_console"] = asked.settings.ndjson_console  # of this start alone: somebody reads what it prints
    notes = (checkpoint.note,) if checkpoint.note else ()
    stored = Layer(Source(Origin.CHECKPOINT, str(checkpoint.path)), values)
    return Resolved(resolve(TrainSettings, [stored]).settings, sources, notes), changes


def _may_change(key: str) -> bool:
    is_hyp = spelling_of(TrainSettings.model_fields[key]).kind == "hyp" and key not in FIXED_HYP
    return key in FREE or key in CHANGEABLE or is_hyp


def table_of(changes: list[Change]) -> list[str]:
    """What changed, as lines."""
    if not changes:
        return []
    rows = [(change.key, str(change.stored), str(change.now), change.source) for change in changes]
    return ["resume under a changed plan:", *table(rows, ("setting", "stored", "now", "from"))]


# -- what differs


def require_same_data(data: OpenData, checkpoint: OpenWeights, matching: Matching = "refuse") -> None:
    """The data may have moved, but not changed. Raises SettingError that names what did.

    `matching` "position": its classes may be called otherwise.
    """
    stored = checkpoint.checkpoint.data
    assert stored is not None  # the schema asks for it
    here = data.dataset.file
    moved = here.resolve() != Path(stored.yaml).resolve()
    remedy = f"{'Give that data with --data' if moved else 'Restore the data'}, or start a new run with --weights"
    where = f" of {here}" if moved else ""
    names = checkpoint.names
    if list(names) != list(data.names) and not (matching == "position" and len(names) == len(data.names)):
        what = f"the class names{where} are not those that this run was trained with (number, run / data: "
        raise SettingError("--resume", f"{what}{beside(names, data.names)})", f"{WAYS}. {remedy}")
    for split, index in data.splits.items():
        changed = _changed(replace(data, names=names), split, stored)
        if changed is None and stored.fingerprints.get(split) == index.fingerprint():
            continue
        told = f" ({changed})" if changed else ""
        raise SettingError(
            "--resume",
            f"split '{split}'{where} is not what {stored.yaml} held when this run was trained on it{told}",
            remedy,
        )


def _changed(data: OpenData, split: str, stored: DataRecord) -> str | None:
    """What of a split is another now, in words as far as it is known.

    None when nothing is, as far as the checkpoint covers it.
    """
    stated = stored.contents.get(split)
    if stated is None:
        return None
    now = fingerprint_in(data, split)
    if now.whole == stated:
        return None
    before = stored.prints.get(split)
    if before is None or before.dtype != torch.int32 or before.shape[1:] != now.prints.shape[1:]:
        return ""
    return difference(before.numpy(), data.splits[split], now.prints)


def lines_of(
    stored: Checkpoint, state: TrainState, machine: dict[str, str | int], *, replanned: bool, trusting: bool = False
) -> list[str]:
    """Where the run goes on, and whether it does so to the bit. `machine`: what it runs on now, with its precision."""
    if stored.is_legacy:
        return [f"going on in epoch {state.epoch + 1}; not exact, since another program wrote the file"]
    assert stored.precision is not None  # the schema asks for them
    assert stored.data is not None
    before: dict[str, str | int] = {**stored.machine, "precision": stored.precision.name}
    ignored = {"description", "platform"}
    differs = [
        f"{key} {before.get(key)} -> {machine[key]}"
        for key in machine
        if key not in ignored and before.get(key) != machine[key]
    ]
    exact = (
        "exact: the same bits as without the interruption"
        if not differs
        else f"not exact to the last bit, because {', '.join(differs)}"
    )
    if not differs and machine["device"] != "cpu":
        exact = f"the same machine; {machine['device']} kernels may differ in the last bits"
    elif not differs and not stored.data.contents:
        exact = "exact only if no picture was replaced: this checkpoint's fingerprint does not cover content"
    elif not differs and trusting:
        exact = "exact only if the data is as its cache says: with --trust-cache no file was looked at"
    if replanned:
        exact = "from the same bits, under the changed plan"
    return [f"going on in epoch {state.epoch + 1} before batch {state.batch + 1}; {exact}"]
