# SPDX-License-Identifier: Apache-2.0
"""Going on from a checkpoint of the original program that still has its optimizer.

Its settings, its memory, its place in the run.

What a legacy file does not keep, and a resumed run therefore cannot repeat, is said in one note (INEXACT).
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from boxwright.config.compat import NOT_SETTINGS, translated
from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import COMMAND_LINE, Origin, Source
from boxwright.config.recipes import hyp_layer_of, recipe_layer
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import Slice
from boxwright.documents import parse_yaml, read_yaml
from boxwright.engine.schedule import Schedule
from boxwright.errors import SettingError, WeightsError
from boxwright.model.class_names import agree, beside
from boxwright.model.legacy.checkpoint import LegacyCheckpoint
from boxwright.runs.inputs.class_match import WAYS, Matching
from boxwright.runs.inputs.weight_files import OpenWeights, as_yaml
from boxwright.runs.legacy_memory import named_memory, position_of, updates_until
from boxwright.runs.plan import TrainPlan
from boxwright.runs.replan import replanned
from boxwright.structures.checkpoint import OptimizerRecord, PatienceRecord, Position
from boxwright.system.run_folder import RunFile

INEXACT = (
    "going on from a file of the original program: epoch, optimizer, average and best fitness are taken over; not "
    "exact are "
    "the weights, if it stored them in half precision, the order and augmentation of images, gradients that waited for "
    "a step, "
    "and the epoch of the best result, which counts as the last one"
)
# Of a start, not of a training: each start has its own.
_OF_A_START = {
    "weights",
    "cfg",
    "resume",
    "project",
    "name",
    "exist_ok",
    "device",
    "workers",
    "quiet",
    "hyp",
    "config",
    "recipe",
    "names_by_position",
    "match_names",
}
CHANGEABLE = {
    "data",
    "epochs",
    "project",
    "name",
    "recipe",
    "nosave",
    "console",
    "names_by_position",
    "match_names",
}  # beside what may change when a run of ours goes on
_SAME_ERA = (
    ("7.0", {"evolve_population"}),
    ("6.2", {"seed", "cos_lr"}),
    ("6.0", {"patience", "freeze", "save_period"}),
)


def resumed_settings(
    asked: Resolved[TrainSettings], checkpoint: OpenWeights, free: set[str]
) -> Resolved[TrainSettings]:
    """The settings of the run that goes on: its own, over those of the recipe of its year.

    Raises when a flag contradicts them.
    """
    legacy, path = _legacy(checkpoint), checkpoint.path
    given = {key: source for key, source in asked.sources.items() if source.chosen}
    options, hyp = _options(legacy, path)
    name = asked.settings.recipe if "recipe" in given else recipe_of(legacy, options)
    recipe = recipe_layer(name)
    stored, notes = _layer(options | hyp, str(path))
    before = resolve(TrainSettings, [recipe, hyp_layer_of(recipe, finetune=False), stored]).settings
    for key in sorted(given.keys() - free - CHANGEABLE):
        theirs = getattr(before, key)
        if getattr(asked.settings, key) != theirs:
            what = f"{key} is {getattr(asked.settings, key)!r} here and {theirs!r} in the run that is resumed"
            raise SettingError(given[key].place, what, f"Leave it out, or start a new run with --weights {path}")
    own = {key: getattr(asked.settings, key) for key in (*given, "ndjson_console")}  # what prints is of this start
    own_layer = Layer(COMMAND_LINE, own | {"recipe": name}, given)
    resolved = resolve(TrainSettings, [recipe, hyp_layer_of(recipe, finetune=False), stored, own_layer])
    standing = Position(PatienceRecord(0), epoch=legacy.epoch + 1)
    resolved, told = replanned(resolved, before, standing)
    if standing.epoch >= resolved.settings.epochs:
        what = f"its run of {resolved.settings.epochs} epochs is done"
        raise WeightsError(str(path), what, f"Give --epochs to go on, or start a new run with --weights {path}")
    said = f"recipe {name}" + ("" if "recipe" in given else ", told by what the file holds; --recipe chooses another")
    return replace(resolved, notes=(INEXACT, f"{path}: {said}", *notes, *told))


def recipe_of(legacy: LegacyCheckpoint, options: dict[str, Any]) -> str:
    """The recipe of the year in which a file was written, told by the entries that came up in that year."""
    if legacy.updates is None and (legacy.training_results or legacy.ema is None):
        return "2020.8"
    return next((recipe for recipe, keys in _SAME_ERA if keys <= options.keys()), "6.0")


def _options(legacy: LegacyCheckpoint, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options and hyperparameters: from the run folder it lies in, else from the file."""
    folder = path.resolve().parent.parent
    options = legacy.options
    if (folder / RunFile.OPTIONS).is_file():
        options = read_yaml(folder / RunFile.OPTIONS).mapping()
    if not options:
        raise WeightsError(
            str(path),
            f"does not hold the options of its run, and there is no {folder / RunFile.OPTIONS}",
            "Start a new run with --weights",
        )
    hyp = options.get("hyp")
    if not isinstance(hyp, dict):
        hyp = (
            read_yaml(folder / RunFile.HYPERPARAMETERS).mapping()
            if (folder / RunFile.HYPERPARAMETERS).is_file()
            else {}
        )
    return {key: value for key, value in options.items() if key != "hyp"}, hyp


def _layer(values: dict[str, Any], origin: str) -> tuple[Layer, tuple[str, ...]]:
    """Stored options as a layer; what is no setting here is left out, with a note."""
    kept, unknown = {}, []
    for key, value in values.items():
        name, _ = translated(str(key), value)
        if name in _OF_A_START or name in NOT_SETTINGS or value is None:
            continue
        if name and name not in TrainSettings.model_fields:
            unknown.append(str(key))
            continue
        kept[str(key)] = value
    kind: type[Slice] = TrainSettings
    layer, notes = file_layer(
        kind, parse_yaml(as_yaml(kept, Path(origin)), origin), Source(Origin.CHECKPOINT, "options of the resumed run")
    )
    left_out = (f"{origin}: options without a meaning here are left out: {', '.join(unknown)}",) if unknown else ()
    return layer, (*notes, *left_out)


def resumed_checkpoint(checkpoint: OpenWeights, settings: TrainSettings) -> OpenWeights:
    """The checkpoint as one of ours, standing before the epoch that comes next. Raises WeightsError."""
    legacy = _legacy(checkpoint)
    standing = replace(
        checkpoint.checkpoint,
        position=position_of(legacy, settings),
        ema=checkpoint.checkpoint.used,
        ema_updates=legacy.updates,
        optimizer=OptimizerRecord(named_memory(checkpoint, settings)),
    )
    return replace(checkpoint, checkpoint=standing)


def with_average_updates(plan: TrainPlan) -> TrainPlan:
    """The plan with the count of the average's updates. Files before 2021 do not keep it; it follows from the epoch."""
    assert plan.resumed is not None  # a plan to go on
    if plan.resumed.ema_updates is not None:
        return plan
    assert plan.resumed.position is not None
    settings = plan.settings
    per_epoch = math.ceil(len(plan.data.splits["train"]) / settings.batch_size)
    schedule = Schedule(settings, per_epoch, settings.batch_size)
    updates = updates_until(plan.resumed.position.epoch, schedule, settings.average_updates)
    return replace(plan, resumed=replace(plan.resumed, ema_updates=updates))


def require_same_classes(plan: TrainPlan, checkpoint: OpenWeights, matching: Matching = "refuse") -> None:
    """The data has to be what the run was trained on, as far as a legacy file can tell. Raises SettingError.

    `matching` "position": its classes may be called otherwise.
    """
    names, mine = checkpoint.names, plan.data.names
    remedy = "Give its data with --data, or start a new run with --weights"
    if plan.detector.head.num_classes != plan.data.num_classes:
        what = f"the data has {len(mine)} classes ({', '.join(mine[:5])}), the resumed run {plan.detector.num_classes}"
        raise SettingError("--resume", what, remedy)
    if matching != "position" and not agree(names, mine):
        what = f"the classes of the data are not those of the resumed run (number, run / data: {beside(names, mine)})"
        raise SettingError("--resume", what, f"{WAYS}. {remedy}")


def _legacy(checkpoint: OpenWeights) -> LegacyCheckpoint:
    assert checkpoint.legacy is not None  # asked for before
    return checkpoint.legacy
