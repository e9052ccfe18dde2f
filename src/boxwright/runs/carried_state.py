# SPDX-License-Identifier: Apache-2.0
"""What un-stripped weights bring along without --resume, where the recipe says so.

The trainers up to 2021 went on where they stood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from boxwright.config.schema.train import TrainSettings
from boxwright.engine.loop import Machinery
from boxwright.engine.optimizer import restore_state
from boxwright.engine.state import TrainState


@dataclass(frozen=True)
class Carried:
    """The state of a checkpoint that a new run takes over."""

    document: dict[str, Any]
    with_average: bool

    def into(self, machines: Machinery, state: TrainState) -> None:
        """Optimizer, best fitness, results and position; with the average where the recipe says so.

        What does not fit is left out.
        """
        stored = TrainState.from_document(self.document["state"])
        shapes = {
            name: parameter.shape for name, parameter in machines.detector.named_parameters() if parameter.requires_grad
        }
        memory = {
            name: kept
            for name, kept in self.document["optimizer"]["memory"].items()
            if name in shapes and _fits(kept, shapes[name])
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
            for name, tensor in self.document["ema"].items()
            if name in mine and mine[name].shape == tensor.shape
        }
        if self.with_average and average.keys() == mine.keys():
            machines.average.network.load_state_dict(average)
            machines.average.updates = self.document["ema_updates"]
        state.last_step = machines.schedule.batches_per_epoch * state.epoch - 1


def _fits(memory: dict[str, Any], shape: tuple[int, ...]) -> bool:
    return all(tensor.shape in {shape, ()} for tensor in memory.values() if hasattr(tensor, "shape"))


def carried_of(settings: TrainSettings, document: dict[str, Any]) -> Carried | None:
    """What these weights bring along, if anything. A checkpoint from the middle of an epoch brings its weights only."""
    state = document.get("state")
    if settings.weights_carry_state == "none" or state is None or state["batch"] or "optimizer" not in document:
        return None
    return Carried(document, settings.weights_carry_state == "optimizer-and-ema")


def epochs_after(settings: TrainSettings, carried: Carried) -> tuple[int, str]:
    """How many epochs the run has in all, and what to say: more behind it than asked for means that many more."""
    done = int(carried.document["state"]["epoch"])
    if done > settings.epochs and settings.finetune_extends == "any-weights":
        return (
            done + settings.epochs,
            (
                f"the weights have {done} epochs behind them; {settings.epochs} more follow, up to "
                f"{done + settings.epochs}"
            ),
        )
    return settings.epochs, f"the weights bring their optimizer and go on at epoch {done} of {settings.epochs}"
