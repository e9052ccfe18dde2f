# SPDX-License-Identifier: Apache-2.0
"""What a study teaches beside its winner: whether short trainings can be believed, and which keys matter."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boxwright.search.evolve_table import values_of
from boxwright.search.importance import FEWEST, Importance, importances
from boxwright.search.job import Result
from boxwright.search.rank_correlation import RankCorrelation, rank_correlations
from boxwright.search.standing import by_trial, is_failed, longest, standing
from boxwright.search.study import StudyPlan
from boxwright.structures.answer import counted, table

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TriedKey:
    """What was tried of a key, and what came of it. `best` is the value of the trial that stands highest."""

    key: str
    low: float
    high: float
    start: float
    best: float
    importance: Importance


@dataclass(frozen=True)
class Insight:
    """Rank correlations, keys in the order of the plan, and trials that failed: name of the trial -> why."""

    trials: int
    correlations: tuple[RankCorrelation, ...]
    keys: tuple[TriedKey, ...]
    failed: dict[str, str]

    def lines(self) -> list[str]:
        """For people: keys that matter most first."""
        order = sorted(self.keys, key=lambda one: -one.importance.share if one.importance.share > 0 else 0.0)
        rows = [
            (
                one.key,
                f"{one.low:g}",
                f"{one.high:g}",
                f"{one.start:g}",
                f"{one.best:g}",
                _percent(one.importance.share),
                one.importance.word,
            )
            for one in order
        ]
        few = f"What matters is not told below {FEWEST} trials: with {self.trials} every key would look important."
        return [
            *(_correlation(one) for one in self.correlations),
            *table(rows, ("key", "tried from", "to", "start", "best", "importance", "")),
            *([few] if self.trials < FEWEST else []),
            *([f"failed: {counted(len(self.failed), 'trial')}"] if self.failed else []),
            *(f"  trial {trial}: {why}" for trial, why in self.failed.items()),
        ]

    def document(self) -> dict[str, Any]:
        """For programs. What is not known is None."""
        return {
            "trials": self.trials,
            "rank_correlations": [
                {
                    "epochs": one.epochs,
                    "more_epochs": one.more_epochs,
                    "trials": one.trials,
                    "spearman": _number(one.value),
                    "word": one.word,
                }
                for one in self.correlations
            ],
            "keys": {
                one.key: {
                    "low": _number(one.low),
                    "high": _number(one.high),
                    "start": one.start,
                    "best": one.best,
                    "importance": _number(one.importance.share),
                    "by_chance": _number(one.importance.by_chance),
                    "matters": one.importance.matters,
                }
                for one in self.keys
            },
            "failed": self.failed,
        }


def insight_of(plan: StudyPlan, done: Mapping[str, Result]) -> Insight:
    """From the trials that are known; those of the verdict are not among them."""
    trials = by_trial(done)
    values = [values_of(plan, longest(rungs)) for rungs in trials.values()]
    order = [trial for trial in standing(done) if not is_failed(trials[trial])]
    best = values_of(plan, longest(trials[order[0]])) if order else plan.start
    keys = [
        TriedKey(
            key.name,
            min((one[key.name] for one in values), default=math.nan),
            max((one[key.name] for one in values), default=math.nan),
            plan.start[key.name],
            best[key.name],
            importance,
        )
        for key, importance in zip(plan.keys, importances(plan, done), strict=True)
    ]
    failed = {
        trial: next(f"{one.failure}: {one.reason}" for one in rungs.values() if one.is_failed)
        for trial, rungs in trials.items()
        if is_failed(rungs)
    }
    return Insight(len(trials), tuple(rank_correlations(done)), tuple(keys), failed)


def _correlation(one: RankCorrelation) -> str:
    value = "" if math.isnan(one.value) else f" {one.value:+.2f}"
    return (
        f"rank correlation of {one.epochs} and {counted(one.more_epochs, 'epoch')}:{value} "
        f"({counted(one.trials, 'trial')}; {one.word})"
    )


def _percent(share: float) -> str:
    return "" if math.isnan(share) else f"{100 * share:.0f} %"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
