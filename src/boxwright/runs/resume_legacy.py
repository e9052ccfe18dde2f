# SPDX-License-Identifier: Apache-2.0
"""Going on from a checkpoint of the original program that still has its optimizer.

Its settings, its memory, its place in the run.

What a legacy file does not keep, and a resumed run therefore cannot repeat, is said in one note (INEXACT).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from boxwright.config.compat import NOT_SETTINGS, translated
from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import COMMAND_LINE, Origin, Source
from boxwright.config.recipes import hyp_layer_of, recipe_layer
from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import Slice
from boxwright.documents import parse_yaml, read_yaml
from boxwright.engine.optimizer import parameter_groups
from boxwright.engine.patience import Patience
from boxwright.engine.schedule import NEVER_STEPPED, Schedule
from boxwright.engine.state import TrainState
from boxwright.errors import SettingError, WeightsError
from boxwright.model.detector import shape_only
from boxwright.model.legacy.checkpoint import LegacyCheckpoint, LegacyOptimizer
from boxwright.runs.inputs.open_weights import spec_of_weights
from boxwright.runs.inputs.weight_files import OpenWeights, as_yaml
from boxwright.runs.plan import TrainPlan
from boxwright.runs.replan import replanned
from boxwright.structures.checkpoint import OptimizerRecord, PatienceRecord, Position
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from collections.abc import Sequence

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
}
CHANGEABLE = {
    "data",
    "epochs",
    "project",
    "name",
    "recipe",
    "nosave",
    "console",
}  # beside what may change when a run of ours goes on
_SAME_ERA = (
    ("7.0", {"evolve_population"}),
    ("6.2", {"seed", "cos_lr"}),
    ("6.0", {"patience", "freeze", "save_period"}),
)
_MEMORY = {"SGD": "momentum_buffer", "Adam": "exp_avg", "AdamW": "exp_avg", "RMSProp": "square_avg"}


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
    own = Layer(COMMAND_LINE, {key: getattr(asked.settings, key) for key in given} | {"recipe": name}, given)
    resolved = resolve(TrainSettings, [recipe, hyp_layer_of(recipe, finetune=False), stored, own])
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
    """Options and hyperparameters: from the file, else from the run folder it lies in."""
    folder = path.resolve().parent.parent
    options = legacy.options
    if not options and (folder / RunFile.OPTIONS).is_file():
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
    assert legacy.optimizer is not None  # asked for before
    best = -1.0 if legacy.best_fitness is None else legacy.best_fitness
    patience = Patience(settings.patience, max(best, 0.0), max(legacy.epoch, 0), legacy.epoch)
    state = TrainState(
        patience, epoch=legacy.epoch + 1, last_step=NEVER_STEPPED, best_fitness=best, best_epoch=legacy.epoch
    )
    standing = replace(
        checkpoint.checkpoint,
        position=state.position(),
        ema=checkpoint.checkpoint.used,
        ema_updates=legacy.updates,
        optimizer=OptimizerRecord(named_memory(checkpoint, settings)),
    )
    return replace(checkpoint, checkpoint=standing)


def named_memory(checkpoint: OpenWeights, settings: TrainSettings) -> dict[str, dict[str, object]]:
    """The optimizer's memory by parameter name.

    Groups in the order of the recipe, in each the parameters in the file's order.
    """
    legacy, path = _legacy(checkpoint), checkpoint.path
    stored = legacy.optimizer
    assert stored is not None  # asked for before
    network = shape_only(spec_of_weights(checkpoint))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    place = {name: number for number, name in enumerate((legacy.model or legacy.network).parameters)}
    dealt = parameter_groups(network, settings.decay_rule)._asdict()
    members = [sorted(dealt[group], key=lambda name: place.get(name, len(place))) for group in settings.group_order]
    wanted = _MEMORY[settings.optimizer]
    if not any(wanted in memory for memory in stored.memory.values()):
        raise WeightsError(str(path), f"holds no memory of {settings.optimizer}", "Start a new run with --weights")
    for order in itertools.permutations(members):  # the recipe's own order first
        if _fits(stored, order, shapes):
            numbers = [number for group in stored.groups for number in group["params"]]
            names = [name for group in order for name in group]
            return {
                name: _memory(stored.memory[number])
                for number, name in zip(numbers, names, strict=True)
                if _remembers(stored, number)
            }
    raise WeightsError(
        str(path), "holds an optimizer whose groups do not fit its network", "Start a new run with --weights"
    )


def _fits(stored: LegacyOptimizer, order: Sequence[list[str]], shapes: dict[str, tuple[int, ...]]) -> bool:
    """Whether every remembered tensor has the shape of the parameter it would belong to."""
    if [len(group["params"]) for group in stored.groups] != [len(names) for names in order]:
        return False
    pairs = (
        (number, name)
        for group, names in zip(stored.groups, order, strict=True)
        for number, name in zip(group["params"], names, strict=True)
    )
    return all(_shape(stored.memory.get(number, {})) in {None, shapes[name]} for number, name in pairs)


def _shape(memory: dict[str, Any]) -> tuple[int, ...] | None:
    return next(
        (tuple(value.shape) for value in memory.values() if isinstance(value, torch.Tensor) and value.dim()), None
    )


def _remembers(stored: LegacyOptimizer, number: int) -> bool:
    return any(value is not None for value in stored.memory.get(number, {}).values())


def _memory(stored: dict[str, Any]) -> dict[str, object]:
    """One parameter's memory in full precision; Adam's count of steps as a tensor, as the framework has it today."""
    made = {
        key: value.float() if isinstance(value, torch.Tensor) else value
        for key, value in stored.items()
        if value is not None
    }
    return made | ({"step": torch.tensor(float(made["step"]))} if "step" in made else {})


def with_average_updates(plan: TrainPlan) -> TrainPlan:
    """The plan with the count of the average's updates. Files before 2021 do not keep it; it follows from the epoch."""
    assert plan.resumed is not None  # a plan to go on
    if plan.resumed.ema_updates is not None:
        return plan
    assert plan.resumed.position is not None
    settings = plan.settings
    per_epoch = math.ceil(len(plan.data.splits["train"]) / settings.batch_size)
    updates: float = (
        plan.resumed.position.epoch * per_epoch / Schedule(settings, per_epoch, settings.batch_size).accumulate
    )
    updates = updates if settings.recipe == "2020.7" else math.floor(updates)
    return replace(plan, resumed=replace(plan.resumed, ema_updates=updates))


def require_same_classes(plan: TrainPlan, checkpoint: OpenWeights) -> None:
    """The data has to be what the run was trained on, as far as a legacy file can tell. Raises SettingError."""
    names = checkpoint.names
    if plan.detector.head.num_classes != plan.data.num_classes or (names and names != plan.data.names):
        what = (
            f"the classes of the data ({', '.join(plan.data.names[:5])}) are not those of the resumed "
            "run "
            f"({', '.join(names[:5])})"
        )
        raise SettingError("--resume", what, "Give its data with --data, or start a new run with --weights")


def _legacy(checkpoint: OpenWeights) -> LegacyCheckpoint:
    assert checkpoint.legacy is not None  # asked for before
    return checkpoint.legacy
