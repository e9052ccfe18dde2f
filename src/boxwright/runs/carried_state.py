# SPDX-License-Identifier: Apache-2.0
"""What un-stripped weights bring along without --resume, where the recipe says so.

The trainers up to 2021 went on where they stood. Files of theirs and of ours are treated alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.config.schema.train import TrainSettings
from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import restore_state
from boxwright.engine.state import TrainState
from boxwright.errors import SettingError, WeightsError
from boxwright.model.class_names import ClassPairs
from boxwright.model.detector import Detector
from boxwright.model.weights import class_rows, head_tensors
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.runs.legacy_memory import MEMORY, named_memory, position_of, updates_until
from boxwright.structures.checkpoint import Position, Tensors
from boxwright.track.events import epoch_ended
from boxwright.track.sinks.results_table import text_row, whole_rows

if TYPE_CHECKING:
    from collections.abc import Callable

Memory = dict[str, dict[str, object]]


@dataclass(frozen=True)
class Carried:
    """The state of a checkpoint that a new run takes over.

    `average` and `updates` None: it begins as a copy of the network, with updates by the rule of the recipe. `rows` are
    those of the results table of 2020.
    """

    position: Position
    memory: Memory
    average: Tensors | None
    updates: float | None
    rule: str  # of the updates
    rows: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    classes: ClassPairs | None = None  # whose rows of the head came over; None: all

    def into(self, machines: Machinery, state: TrainState, tell: Callable[[str], None]) -> None:
        """Optimizer, average, best fitness and position. What does not fit is left out and said."""
        shapes = {
            name: parameter.shape for name, parameter in machines.detector.named_parameters() if parameter.requires_grad
        }
        memory = {name: kept for name, kept in self.memory.items() if name in shapes and _fits(kept, shapes[name])}
        restore_state(machines.detector, machines.optimizer, self._by_class(machines.detector, memory))
        tell(f"optimizer: memory of {len(memory)} of {len(shapes)} parameters taken over from the weights")
        state.epoch, state.best_fitness = self.position.epoch, self.position.best_fitness
        state.best_epoch = self.position.best_epoch
        state.last_step = machines.schedule.batches_per_epoch * state.epoch - 1
        average, mine = machines.average, machines.average.network.state_dict()
        average.updates = updates_until(state.epoch, machines.schedule, self.rule)
        if self.average is None or self.updates is None:
            tell(f"moving average: a copy of the network, with {average.updates:g} updates behind it")
            return
        if any(name not in self.average or self.average[name].shape != tensor.shape for name, tensor in mine.items()):
            average.updates = 0
            tell("moving average: that of the weights is of another network; it begins anew")
            return
        stored = {name: self.average[name] for name in mine}
        if self.classes is not None:
            stored |= class_rows(machines.detector, mine, stored, self.classes)
        average.network.load_state_dict(stored)
        average.updates = self.updates
        tell(f"moving average: that of the weights, with {self.updates:g} updates behind it")

    def _by_class(self, detector: Detector, memory: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
        """The optimizer's memory with the rows of classes where these are now; nothing is remembered of new ones."""
        if self.classes is None:
            return memory
        found = {name: dict(kept) for name, kept in memory.items()}
        for name in set(head_tensors(detector)) & memory.keys():
            for key, one in memory[name].items():
                if isinstance(one, torch.Tensor) and one.dim():
                    blank = {name: torch.zeros_like(one)}
                    found[name][key] = class_rows(detector, blank, {name: one}, self.classes).get(name, blank[name])
        return found


def _fits(memory: dict[str, object], shape: tuple[int, ...]) -> bool:
    return all(tensor.shape in {shape, ()} for tensor in memory.values() if isinstance(tensor, torch.Tensor))


def carried_of(settings: TrainSettings, weights: OpenWeights) -> tuple[Carried | None, list[str]]:
    """What these weights bring along, if anything, and what to say about what they do not."""
    if settings.weights_carry_state == "none":
        return None, []
    if weights.legacy is not None:
        return (_of_legacy(settings, weights), []) if weights.legacy.epoch >= 0 else (None, [])
    checkpoint = weights.checkpoint
    position = checkpoint.position
    if position is None:
        return None, []
    if position.batch:
        return None, [
            "the weights are from the middle of an epoch and bring nothing else along; --resume goes on there"
        ]
    rows = tuple(text_row(epoch_ended(row, settings.epochs), None) for row in position.history)
    stored = {} if checkpoint.optimizer is None else checkpoint.optimizer.memory
    return _carried(settings, position, stored, (checkpoint.ema, checkpoint.ema_updates), rows), []


def _of_legacy(settings: TrainSettings, weights: OpenWeights) -> Carried:
    legacy = weights.legacy
    assert legacy is not None  # asked for before
    memory, lines = Memory(), tuple[str, ...]()
    if legacy.optimizer is not None:  # the last epoch of 2020 was saved without
        try:
            memory = named_memory(weights, settings)
        except WeightsError as error:
            lines = (f"the optimizer is left out: {weights.path} {error.what}",)
    average = weights.checkpoint.ema, None if legacy.updates is None else float(legacy.updates)
    return _carried(
        settings, position_of(legacy, settings), memory, average, whole_rows(legacy.training_results), lines
    )


def _carried(
    settings: TrainSettings,
    position: Position,
    memory: Memory,
    average: tuple[Tensors | None, float | None],
    rows: tuple[str, ...],
    lines: tuple[str, ...] = (),
) -> Carried:
    wanted = MEMORY[settings.optimizer]
    of_same = {name: kept for name, kept in memory.items() if wanted in kept}
    if memory and not of_same:
        lines = (*lines, f"the optimizer is left out: the weights hold no memory of {settings.optimizer}")
    tensors, updates = average if settings.weights_carry_state == "optimizer-and-ema" else (None, None)
    return Carried(position, of_same, tensors, updates, settings.average_updates, rows, lines)


def epochs_after(settings: TrainSettings, carried: Carried) -> tuple[int, str]:
    """How many epochs the run has in all, and what to say: no more asked for than are done means that many more.

    Raises SettingError where the recipe goes on without that rule.
    """
    done, asked = carried.position.epoch, settings.epochs
    if done < asked:
        return asked, f"the weights bring their state and go on at epoch {done + 1} of {asked}"
    if settings.finetune_extends != "any-weights":
        raise SettingError(
            "epochs",
            f"the weights have {done} epochs behind them, and --epochs {asked} asks for no more",
            "Give more --epochs, or weights_carry_state=none to start from the weights alone",
        )
    return done + asked, f"the weights have {done} epochs behind them; {asked} more follow, up to {done + asked}"
