# SPDX-License-Identifier: Apache-2.0
"""Whether short trainings say which set will be good: the correlation of ranks between two lengths of training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import numpy as np

from boxwright.search.job import Result
from boxwright.search.standing import by_trial, is_failed

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST = 5  # trials of which ranks can be compared
UNRELIABLE = 0.6  # below it, halving drops good sets as often as not


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation over the trials that were measured at both lengths; NaN where there are too few.

    Those are the ones that went on. Among them the differences are small, so that it is rather too low than too high.
    """

    epochs: int
    more_epochs: int
    trials: int
    value: float

    @property
    def word(self) -> str:
        """What it means."""
        if math.isnan(self.value):
            return "too few trials"
        return "reliable" if self.value >= UNRELIABLE else "unreliable: begin with longer trainings"


def rank_correlations(done: Mapping[str, Result]) -> list[RankCorrelation]:
    """Of every two lengths that trials of this study were trained for, the shortest first."""
    trials = [
        {epochs: one.fitness for epochs, one in rungs.items()}
        for rungs in by_trial(done).values()
        if not is_failed(rungs)
    ]
    found = []
    for epochs, more in combinations(sorted({epochs for rungs in trials for epochs in rungs}), 2):
        both = np.array([(rungs[epochs], rungs[more]) for rungs in trials if epochs in rungs and more in rungs])
        value = spearman(both[:, 0], both[:, 1]) if len(both) >= FEWEST else math.nan
        found.append(RankCorrelation(epochs, more, len(both), value))
    return found


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Correlation of ranks, equal values sharing theirs; NaN where one side is all equal. (n,), (n,)"""
    ranks = [shared_ranks(side) - (len(side) + 1) / 2 for side in (first, second)]
    size = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    return float((ranks[0] * ranks[1]).sum()) / size if size else math.nan


def shared_ranks(values: np.ndarray) -> np.ndarray:
    """1 for the lowest; equal values have the mean of the ranks that they take together. (n,) -> (n,)"""
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    bounds = [0, *(np.flatnonzero(np.diff(values[order])) + 1).tolist(), len(values)]
    for first, end in pairwise(bounds):
        ranks[order[first:end]] = (first + 1 + end) / 2
    return ranks
