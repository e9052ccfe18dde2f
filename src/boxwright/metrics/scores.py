# SPDX-License-Identifier: Apache-2.0
"""The headline numbers of one validation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
