# SPDX-License-Identifier: Apache-2.0
"""What un-stripped weights bring along without --resume, where the recipe says so.

The trainers up to 2021 went on where they stood.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from boxwright.config.schema.train import TrainSettings
from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import restore_state
from boxwright.engine.state import TrainState
from boxwright.structures.checkpoint import Checkpoint, OptimizerRecord, Position


@dataclass(frozen=True)
class Carried:
    """The state of a checkpoint that a new run takes over."""

    checkpoint: Checkpoint
    position: Position
    optimizer: OptimizerRecord
    with_average: bool

    def into(self, machines: Machinery, state: TrainState) -> None:
        """Optimizer, best fitness, results and position; with the average where the recipe says so.

        What does not fit is left out.
        """
        stored = TrainState.at(self.position)
        shapes = {
            name: parameter.shape for name, parameter in machines.detector.named_parameters() if parameter.requires_grad
        }
        memory = {
            name: kept for name, kept in self.optimizer.memory.items() if name in shapes and _fits(kept, shapes[name])
        }
        restore_state(machines.detector, machines.optimizer, memory)
        state.epoch, state.best_fitness, state.best_epoch, state.history = (
            stored.epoch,
            stored.best_fitness,
            stored.best_epoch,
            stored.history,
        )
        mine = machines.average.network.state_dict()
        average = {
            name: tensor
            for name, tensor in (self.checkpoint.ema or {}).items()
            if name in mine and mine[name].shape == tensor.shape
        }
        updates = self.checkpoint.ema_updates
        if self.with_average and updates is not None and average.keys() == mine.keys():
            machines.average.network.load_state_dict(average)
            machines.average.updates = updates
        state.last_step = machines.schedule.batches_per_epoch * state.epoch - 1


def _fits(memory: dict[str, object], shape: tuple[int, ...]) -> bool:
    return all(tensor.shape in {shape, ()} for tensor in memory.values() if isinstance(tensor, torch.Tensor))


def carried_of(settings: TrainSettings, checkpoint: Checkpoint) -> Carried | None:
    """What these weights bring along, if anything. A checkpoint from the middle of an epoch brings its weights only."""
    position, optimizer = checkpoint.position, checkpoint.optimizer
    if settings.weights_carry_state == "none" or position is None or position.batch or optimizer is None:
        return None
    return Carried(checkpoint, position, optimizer, settings.weights_carry_state == "optimizer-and-ema")


def epochs_after(settings: TrainSettings, carried: Carried) -> tuple[int, str]:
    """How many epochs the run has in all, and what to say: more behind it than asked for means that many more."""
    done = carried.position.epoch
    if done > settings.epochs and settings.finetune_extends == "any-weights":
        return (
            done + settings.epochs,
            (
                f"the weights have {done} epochs behind them; {settings.epochs} more follow, up to "
                f"{done + settings.epochs}"
            ),
        )
    return settings.epochs, f"the weights bring their optimizer and go on at epoch {done + 1} of {settings.epochs}"
