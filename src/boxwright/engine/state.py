# SPDX-License-Identifier: Apache-2.0
"""Where a run stands: everything that changes while it trains, beside the tensors.

It survives a restart as plain values.
"""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass, field, fields

import torch

from boxwright.engine.patience import Patience
from boxwright.engine.schedule import NEVER_STEPPED
from boxwright.structures.checkpoint import PatienceRecord, Position
from boxwright.system.device import is_cpu


@dataclass
class TrainState:
    """`epoch` and `batch` name the next batch to train; `last_step` is the batch number of the last optimizer step."""

    patience: Patience
    epoch: int = 0
    batch: int = 0
    last_step: int = NEVER_STEPPED
    best_fitness: float = -1.0  # below every fitness, so that the first validation is the best so far
    best_epoch: int = -1
    results: dict[str, float | None] = field(default_factory=dict)  # of the last finished epoch
    history: list[dict[str, float | None]] = field(
        default_factory=list
    )  # the results of every finished epoch, with its number
    class_maps: list[float] = field(default_factory=list)  # mAP50-95 per class of the last validation
    parts: int = 1  # micro-batches that a batch has to be run in
    skipped_in_a_row: int = 0  # steps left out because something was not finite
    skipped: int = 0
    restored: int = 0  # times the last good state was put back

    def batches_seen(self, batches_per_epoch: int) -> int:
        """Batches since the start of training."""
        return self.epoch * batches_per_epoch + self.batch

    def position(self) -> Position:
        """As a checkpoint keeps it, apart from the state that goes on."""
        return Position(**{**asdict(self), "patience": PatienceRecord(**asdict(self.patience))})

    @classmethod
    def at(cls, stored: Position) -> TrainState:
        """The state of a run that stands there, apart from what is stored."""
        values = {one.name: copy.deepcopy(getattr(stored, one.name)) for one in fields(stored)}
        return cls(**{**values, "patience": Patience(**asdict(stored.patience))})


class RunningLosses:
    """Means of the loss items over the batches of an epoch so far. They stay on the device until somebody asks."""

    def __init__(self, device: torch.device) -> None:
        self.sums = (
            torch.zeros(3, dtype=torch.float64, device=device) if is_cpu(device) else torch.zeros(3, device=device)
        )
        self.batches = 0

    def add(self, items: torch.Tensor) -> None:
        """Add the items of one batch. (3,)"""
        self.sums += torch.nan_to_num(
            items, nan=0.0, posinf=0.0, neginf=0.0
        )  # a step that is skipped does not spoil the mean
        self.batches += 1

    def reset(self) -> None:
        """A new epoch."""
        self.sums.zero_()
        self.batches = 0

    def means(self) -> tuple[float, ...]:
        """Box, objectness and class loss. This is where the host waits for the device."""
        return tuple((self.sums / max(self.batches, 1)).tolist())
