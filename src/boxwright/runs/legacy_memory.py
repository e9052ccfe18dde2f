# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint of the original program remembers of its run: its place, and the optimizer's memory by name.

Both with --resume and where un-stripped weights bring their state along.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import torch

from boxwright.config.schema.train import TrainSettings
from boxwright.engine.optimizer import parameter_groups
from boxwright.engine.patience import Patience
from boxwright.engine.schedule import NEVER_STEPPED, Schedule
from boxwright.engine.state import TrainState
from boxwright.errors import WeightsError
from boxwright.model.detector import shape_only
from boxwright.model.legacy.checkpoint import LegacyCheckpoint, LegacyOptimizer
from boxwright.runs.inputs.open_weights import spec_of_weights
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.structures.checkpoint import Position

if TYPE_CHECKING:
    from collections.abc import Sequence

# What an optimizer remembers of every parameter.
MEMORY = {"SGD": "momentum_buffer", "Adam": "exp_avg", "AdamW": "exp_avg", "RMSProp": "square_avg"}


def position_of(legacy: LegacyCheckpoint, settings: TrainSettings) -> Position:
    """Where the run of a file stands: before the epoch that comes next."""
    best = -1.0 if legacy.best_fitness is None else legacy.best_fitness
    patience = Patience(settings.patience, max(best, 0.0), max(legacy.epoch, 0), legacy.epoch)
    return TrainState(
        patience, epoch=legacy.epoch + 1, last_step=NEVER_STEPPED, best_fitness=best, best_epoch=legacy.epoch
    ).position()


def updates_until(epoch: int, schedule: Schedule, rule: str) -> float:
    """Updates that the moving average has behind it before an epoch, by the rule of a recipe for files without."""
    updates = epoch * schedule.batches_per_epoch / schedule.accumulate
    return updates if rule == "from-epochs" else math.floor(updates)


def named_memory(checkpoint: OpenWeights, settings: TrainSettings) -> dict[str, dict[str, object]]:
    """The optimizer's memory by parameter name.

    Groups in the order of the recipe, in each the parameters in the file's order.
    """
    legacy, path = checkpoint.legacy, checkpoint.path
    assert legacy is not None  # asked for before
    stored = legacy.optimizer
    assert stored is not None  # asked for before
    network = shape_only(spec_of_weights(checkpoint))
    shapes = {name: tuple(parameter.shape) for name, parameter in network.named_parameters()}
    place = {name: number for number, name in enumerate((legacy.model or legacy.network).parameters)}
    dealt = parameter_groups(network, settings.decay_rule)._asdict()
    members = [sorted(dealt[group], key=lambda name: place.get(name, len(place))) for group in settings.group_order]
    wanted = MEMORY[settings.optimizer]
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
