# SPDX-License-Identifier: Apache-2.0
"""Is what a study found really better than what the user had? Effect, interval, probability, cost; "no" is an answer.

A set is called better when two tests agree, each corrected for the number of finalists: the lower end of the interval
of the mean paired difference (Student's t) is above 0, and flipped signs explain it in at most 5 of 100 cases. If
nothing is better, at most 5 studies in 100 say that something is, whichever finalist it may be. The training seeds are
what varies; another validation set could still tell otherwise.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.metrics.resampling import Interval
from boxwright.search.finalists import (
    finalists,
    jobs_of_finalist,
    jobs_of_start,
    start_values,
    values_searched,
    verdict_jobs,
)
from boxwright.search.job import Result, Stage
from boxwright.search.paired import least_of_sign_flips, probability_above_zero, sign_flips, t_interval
from boxwright.search.ranking import is_old
from boxwright.search.standing import by_trial, epochs_trained
from boxwright.search.study import StudyPlan
from boxwright.structures.answer import counted, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WRONG = 0.05  # of studies without any effect may claim one
ONE_SIDE = 0.025  # left out below an interval of 95 %
LEAST_PAIRS = 3  # two that agree are luck too often where results are coarse


@dataclass(frozen=True)
class Cost:
    """What a stage took. A training that went on from another pays for what it added."""

    trainings: int
    epochs: int
    seconds: float

    @classmethod
    def of(cls, done: Mapping[str, Result], stage: Stage) -> Cost:
        """Of all results of this stage, failed ones too; what an earlier record brought along cost nothing here."""
        mine = [one for one in done.values() if one.job.stage == stage and not is_old(one)]
        return cls(len(mine), epochs_trained(one.job for one in mine), math.fsum(one.seconds for one in mine))

    def words(self) -> str:
        """For people."""
        minutes, seconds = divmod(round(self.seconds), 60)
        return (
            f"{counted(self.trainings, 'training')}, {counted(self.epochs, 'epoch')}, "
            f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"
        )


@dataclass(frozen=True)
class Finalist:
    """A set against the start set, over seeds that both were trained with.

    `effect` is the mean difference of fitness and its 95 % interval, as wide as the number of finalists asks for.
    `probability` that the mean behind it is above 0, for this finalist alone; `by_luck` is the share of flipped signs
    that lead as far, for all finalists at once. `won` of `pairs` seeds.
    """

    trial: str
    values: dict[str, float]
    fitness: float
    effect: Interval
    probability: float
    by_luck: float
    won: int
    pairs: int
    failed: int
    is_better: bool

    @property
    def word(self) -> str:
        """What is said of it."""
        if self.failed:
            return f"failed with {counted(self.failed, 'seed')}"
        if self.is_better:
            return "better"
        return "worse" if self.effect.high < 0 else "not shown to be better"


@dataclass(frozen=True)
class Verdict:
    """What the further seeds said. `fitness` of the start set, NaN where it was not measured; finalists, best first."""

    start: dict[str, float]
    fitness: float
    finalists: tuple[Finalist, ...]
    seeds: int
    missing: int  # trainings that are still to come
    trials: int  # that the search has measured
    search: Cost
    cost: Cost

    @property
    def winner(self) -> Finalist | None:
        """The one that is better by most, when all is known."""
        better = [one for one in self.finalists if one.is_better]
        return max(better, key=lambda one: one.effect.value, default=None)

    def lines(self) -> list[str]:
        """For people: the answer, every finalist, what differs, what it took."""
        rows = [
            (f"trial {one.trial}", f"{one.fitness:.4f}", *_cells(one.effect), _share(one.probability), *_counts(one))
            for one in self.finalists
        ]
        head = ("", "fitness", "difference", "from", "to", "P(better)", "seeds won", "by luck", "")
        first = ("start set", f"{self.fitness:.4f}", *[""] * 7)
        return [
            *self.answer(),
            *(["", *table([first, *rows], head)] if rows else []),
            *self._what_differs(),
            "",
            f"verdict: {self.cost.words()}; search: {self.search.words()}",
        ]

    def answer(self) -> list[str]:
        """The answer in a sentence or two."""
        if not self.finalists:
            return [f"Nothing is better than what you had: of {counted(self.trials, 'trial')} none beat the start set."]
        if self.missing:
            return [f"No verdict yet: {counted(self.missing, 'training')} of it to come."]
        if math.isnan(self.fitness):
            return ["No verdict: the start set could not be trained."]
        best = self.winner
        if best is not None:
            sentence = (
                f"Trial {best.trial} is better than what you had: fitness {self.fitness:.4f} -> {best.fitness:.4f}, "
                f"{best.effect.value:+.4f} (95 % interval {best.effect.low:+.4f} to {best.effect.high:+.4f}), better "
                f"with {best.won} of {best.pairs} seeds; probability of being better {_share(best.probability)}."
            )
            return [sentence]
        return [
            "Nothing that was found is shown to be better than what you had: keep your set.",
            *self._what_was_seen(),
        ]

    def document(self) -> dict[str, Any]:
        """For programs. What is not known is None."""
        best = self.winner
        return {
            "is_whole": not self.missing,
            "winner": best.trial if best else None,
            "answer": " ".join(self.answer()),
            "seeds": self.seeds,
            "missing": self.missing,
            "start": {"values": self.start, "fitness": _number(self.fitness)},
            "finalists": [
                {
                    "trial": one.trial,
                    "verdict": one.word,
                    "values": one.values,
                    "fitness": _number(one.fitness),
                    "difference": {key: _number(value) for key, value in asdict(one.effect).items()},
                    "probability": _number(one.probability),
                    "by_luck": _number(one.by_luck),
                    "won": one.won,
                    "pairs": one.pairs,
                    "failed": one.failed,
                }
                for one in self.finalists
            ],
            "trials": self.trials,
            "cost": {"search": asdict(self.search), "verdict": asdict(self.cost)},
        }

    def _what_was_seen(self) -> list[str]:
        whole = [one for one in self.finalists if not one.failed and one.pairs >= LEAST_PAIRS]
        if not whole:
            return [f"With fewer than {LEAST_PAIRS} seeds, or failed trainings, nothing can be shown: give more."]
        best = max(whole, key=lambda one: one.effect.value)
        sentence = (
            f"The best, trial {best.trial}, came to {best.effect.value:+.4f} ({best.effect.low:+.4f} to "
            f"{best.effect.high:+.4f}); with {counted(best.pairs, 'seed')} a difference below "
            f"{best.effect.high - best.effect.value:.4f} is no more than noise."
        )
        return [sentence]

    def _what_differs(self) -> list[str]:
        best = self.winner
        if best is None:
            return []
        rows = [
            (key, f"{self.start[key]:g}", f"{value:g}")
            for key, value in best.values.items()
            if value != self.start[key]
        ]
        return ["", "what differs:", *table(rows, ("key", "start set", f"trial {best.trial}"))]


def verdict_of(plan: StudyPlan, done: Mapping[str, Result]) -> Verdict:
    """What is known so far; whole when every training of the verdict has come to something."""
    start = [done.get(job.name) for job in jobs_of_start(plan)]
    candidates = finalists(plan, done)
    rows = [[done.get(job.name) for job in jobs_of_finalist(plan, *pair)] for pair in candidates.items()]
    fitness = np.array([_fitness(row) for row in [start, *rows]])  # (1 + k, n)
    judged = compared(fitness, plan.seed)
    missing = sum(job.name not in done for job in verdict_jobs(plan, done))
    found = [
        Finalist(
            trial=trial,
            values=values_searched(plan, result),
            fitness=_mean(fitness[1 + number]),
            failed=sum(one is not None and one.is_failed for one in rows[number]),
            **{**judged[number], "is_better": judged[number]["is_better"] and not missing},
        )
        for number, (trial, result) in enumerate(candidates.items())
    ]
    return Verdict(
        start=start_values(plan),
        fitness=_mean(fitness[0]),
        finalists=tuple(sorted(found, key=lambda one: -one.effect.value if one.pairs else math.inf)),
        seeds=plan.verdict.seeds,
        missing=missing,
        trials=len(by_trial(done)),
        search=Cost.of(done, Stage.TRIAL),
        cost=Cost.of(done, Stage.VERDICT),
    )


def compared(fitness: np.ndarray, seed: int = 0) -> list[dict[str, Any]]:
    """Each of k candidates against the start set: the fields of a `Finalist` that follow from numbers alone.

    fitness (1 + k, n), the start set first, NaN where nothing was measured. A seed counts when the start set was
    measured with it. A candidate without a number there is not called better, whatever the others say.
    """
    differences = (fitness[1:] - fitness[:1])[:, np.isfinite(fitness[0])]  # (k, m)
    whole = np.isfinite(differences).all(axis=1) & (differences.shape[1] > 0)
    by_luck = np.full(len(differences), math.nan)
    if whole.any():
        by_luck[whole] = sign_flips(differences[whole], seed)
    return [
        _against(row[np.isfinite(row)], len(differences), luck)
        for row, luck in zip(differences, by_luck.tolist(), strict=True)
    ]


def _against(row: np.ndarray, candidates: int, by_luck: float) -> dict[str, Any]:
    if not len(row):
        nothing = Interval(math.nan, -math.inf, math.inf)
        return {
            "effect": nothing,
            "probability": math.nan,
            "by_luck": by_luck,
            "won": 0,
            "pairs": 0,
            "is_better": False,
        }
    effect = t_interval(row, min(ONE_SIDE, WRONG / candidates))
    enough = max(WRONG, least_of_sign_flips(len(row)))  # of fewer than five seeds the test can only say that all agree
    return {
        "effect": effect,
        "probability": probability_above_zero(row),
        "by_luck": by_luck,
        "won": int((row > 0).sum()),
        "pairs": len(row),
        "is_better": len(row) >= LEAST_PAIRS and effect.low > 0 and by_luck <= enough,
    }


def _fitness(results: Sequence[Result | None]) -> list[float]:
    return [math.nan if one is None or one.is_failed else one.fitness for one in results]


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _cells(one: Interval) -> tuple[str, str, str]:
    return f"{one.value:+.4f}", f"{one.low:+.4f}", f"{one.high:+.4f}"


def _counts(one: Finalist) -> tuple[str, str, str]:
    return f"{one.won} of {one.pairs}", f"{one.by_luck:.3f}", one.word


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
