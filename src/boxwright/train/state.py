# SPDX-License-Identifier: Apache-2.0
"""Where a run stands: everything that changes while it trains, beside the tensors. It survives a restart as plain values."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from boxwright.train.schedule import NEVER_STEPPED
from boxwright.train.stopping import Patience


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

    def batches_seen(self, batches_per_epoch: int) -> int:
        """Batches since the start of training."""
        return self.epoch * batches_per_epoch + self.batch

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)

    @classmethod
    def from_document(cls, stored: dict[str, Any]) -> TrainState:
        """From plain values."""
        return cls(**{**stored, "patience": Patience(**stored["patience"])})


class RunningLosses:
    """Means of the loss items over the batches of an epoch so far. They stay on the device until somebody asks."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device) if device.type == "cpu" else torch.zeros(3, device=device)
        self.batches = 0

    def add(self, items: torch.Tensor) -> None:
        """Add the items of one batch. (3,)"""
        self.sums += torch.nan_to_num(items, nan=0.0, posinf=0.0, neginf=0.0)  # a step that is skipped does not spoil the mean
        self.batches += 1

    def reset(self) -> None:
        """A new epoch."""
        self.sums.zero_()
        self.batches = 0

    def means(self) -> tuple[float, ...]:
        """Box, objectness and class loss. This is where the host waits for the device."""
        return tuple((self.sums / max(self.batches, 1)).tolist())


class FiniteGuard:
    """Counts steps whose loss or gradient was not finite. The count stays on the device until somebody asks."""

    def __init__(self, device: torch.device) -> None:
        self.in_a_row = torch.zeros((), dtype=torch.int64, device=device)
        self.total = torch.zeros((), dtype=torch.int64, device=device)

    def note(self, finite: torch.Tensor) -> None:
        """Take note of one step."""
        self.in_a_row = torch.where(finite, 0, self.in_a_row + 1)
        self.total += (~finite).long()
