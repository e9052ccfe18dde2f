# SPDX-License-Identifier: Apache-2.0
"""The headline numbers of one validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

FITNESS_WEIGHTS = np.array([0.0, 0.0, 0.1, 0.9])  # precision, recall, mAP50, mAP50-95


class Scores(NamedTuple):
    """Means over the classes that have labels."""

    precision: float
    recall: float
    map50: float
    map50_95: float

    @property
    def fitness(self) -> float:
        """What best.pt is chosen by."""
        return fitness(self)


def fitness(scores: tuple[float, ...] | np.ndarray) -> float:
    """0.1 mAP50 + 0.9 mAP50-95 of (precision, recall, mAP50, mAP50-95, ...)."""
    return float((np.asarray(scores[:4]) * FITNESS_WEIGHTS).sum())


@dataclass(frozen=True)
class BestBy:
    """What best.pt is chosen by: a weighted sum of logged numbers."""

    weights: tuple[tuple[str, float], ...] = (("fitness", 1.0),)

    def __call__(self, numbers: Mapping[str, float | None]) -> float:
        """The value of one epoch; the number -1, which says that nothing could be measured, counts as it stands."""
        return sum(weight * float(numbers[name] or 0.0) for name, weight in self.weights)
