# SPDX-License-Identifier: Apache-2.0
"""Which hyperparameters made the difference: what each explains of how trials stand, all others taken into account.

A search looks more and more near the good sets, so that late trials are good and alike in every key: whoever compares
the good trials with all of them, key by key, finds that everything matters. Hence one regression with all keys at once
(the place of each value and its square, ridge), among trials of about the same time only. What it finds by chance is
found out by shuffling who stands where.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.search.evolve_table import values_of
from boxwright.search.job import Result
from boxwright.search.scale import Cube
from boxwright.search.standing import by_trial, longest, standing
from boxwright.search.study import StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

FEWEST = 20  # trials; of fewer nothing is told
SAME_TIME = 8  # trials one after the other
RIDGE = 1.0  # pull towards 0, as strong as the trials themselves: there are about as many columns as trials
SHUFFLES = 400  # times that trials change places
CHANCE = 0.05  # of the shuffles may reach what is called more than chance


@dataclass(frozen=True)
class Importance:
    """Of one key: its share of what all keys explain (0 to 1), and how often chance reaches as much.

    NaN both when there are too few trials, or none that differ in this key.
    """

    key: str
    share: float
    by_chance: float

    @property
    def matters(self) -> bool:
        """Whether that is more than chance."""
        return self.by_chance <= CHANCE

    @property
    def word(self) -> str:
        """What can be said of it."""
        if math.isnan(self.share):
            return "not known"
        return "matters" if self.matters else "no more than chance"


def importances(plan: StudyPlan, done: Mapping[str, Result]) -> list[Importance]:
    """Of each key that moves, in their order. Failed trials stand last."""
    keys, trials, order = plan.keys, by_trial(done), standing(done)
    if len(order) < FEWEST:
        return [Importance(key.name, math.nan, math.nan) for key in keys]
    cube, place = Cube(keys), {trial: number for number, trial in enumerate(order)}
    points = np.array([cube.point(values_of(plan, longest(rungs))) for rungs in trials.values()])  # (N, K)
    stands = _places(np.array([-place[trial] for trial in trials], np.float64), plan.seed)  # (N, 1 + S)
    explained = _explained(points, stands)
    moved = np.ptp(points, axis=0) > 0
    chance = (explained[:, 1:] >= explained[:, :1]).mean(axis=1)
    beyond = np.maximum(explained[:, 0] - explained[:, 1:].mean(axis=1), 0.0)  # without what chance explains anyway
    share = beyond / max(float(beyond.sum()), np.finfo(np.float64).tiny)
    return [
        Importance(key.name, float(share[number]), float(chance[number]))
        if moved[number]
        else Importance(key.name, math.nan, math.nan)
        for number, key in enumerate(keys)
    ]


def _explained(points: np.ndarray, stands: np.ndarray) -> np.ndarray:
    """Squared weights of every key in the regression of each column. (N, K), (N, 1 + S) -> (K, 1 + S)"""
    away = points - points.mean(axis=0)
    columns = _within_time(np.concatenate([away, away**2], axis=1))
    spread = columns.std(axis=0)
    columns = columns / np.where(spread > 0, spread, 1.0)
    pull = RIDGE * len(points) * np.eye(columns.shape[1])
    weights = np.linalg.solve(columns.T @ columns + pull, columns.T @ _within_time(stands))
    of_value, of_square = np.split(weights, 2)
    explained: np.ndarray = of_value**2 + of_square**2
    return explained


def _times(trials: int) -> list[slice]:
    """Trials of about the same time; what is left over belongs to the last ones."""
    edges = [*range(0, trials - SAME_TIME + 1, SAME_TIME), trials]
    return [slice(first, end) for first, end in pairwise(edges)]


def _within_time(columns: np.ndarray) -> np.ndarray:
    """What differs from the mean of the same time. (N, C) -> (N, C)"""
    found = columns.copy()
    for rows in _times(len(columns)):
        found[rows] -= found[rows].mean(axis=0)
    return found


def _places(places: np.ndarray, seed: int) -> np.ndarray:
    """The places themselves, and shuffles of them among trials of the same time. (N,) -> (N, 1 + S)"""
    found = np.repeat(places[:, None], 1 + SHUFFLES, axis=1)
    draw = generator(seed, Purpose.EVOLVE, len(places))
    for rows in _times(len(places)):
        found[rows, 1:] = draw.permuted(found[rows, 1:], axis=0)
    return found
