# SPDX-License-Identifier: Apache-2.0
"""A study whose trainings cost nothing: numbers in order, values made from the best known ones, a formula to judge."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from boxwright.keyed import Purpose, generator
from boxwright.search.job import Job, Result
from boxwright.search.study import Key, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KEYS = ("lr0", "momentum", "box", "scale")
TARGET = (0.01, 0.9, 0.05, 0.5)
HASH = "a" * 64


def plan_of(trials: int, epochs: int = 1) -> StudyPlan:
    start = dict.fromkeys(KEYS, 0.5)
    keys = tuple(Key(name, 0.0, 1.0) for name in KEYS)
    return StudyPlan(method="mutation", trials=trials, epochs=epochs, start=start, keys=keys, seed=3)


def values_of(trial: int, parents: Iterable[Result]) -> dict[str, float]:
    """A function of the number and of the parents in their order, and of nothing else."""
    draw = generator(3, Purpose.EVOLVE, trial)
    known = [one.job.values for one in parents]
    found = {}
    for name in KEYS:
        base = sum(one[name] for one in known) / len(known) if known else 0.5
        found[name] = round(min(1.0, max(0.0, base + 0.2 * float(draw.standard_normal()))), 6)
    return found


def fitness_of(job: Job) -> float:
    """Higher is better; no two trials are likely to be equal."""
    noise = float(generator(3, Purpose.BOOTSTRAP, job.trial).random())
    return round(1 - sum((job.values[k] - t) ** 2 for k, t in zip(KEYS, TARGET, strict=True)) / 4 + 1e-3 * noise, 9)


def result_of(job: Job, **others) -> Result:
    return Result(job, **{"fitness": fitness_of(job), "plan_hash": HASH, **others})


class NextNumber:
    """Trials 0, 1, 2, ..., each made from the best five that are known when it is asked for."""

    def __init__(self, plan: StudyPlan) -> None:
        self.plan = plan

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        trial = len(taken)
        if trial >= self.plan.trials and len({job.trial for job in taken.values()}) == self.plan.trials:
            return None
        while f"t{trial}" in taken:
            trial += 1
        if trial >= self.plan.trials:
            trial = next(number for number in range(self.plan.trials) if f"t{number}" not in taken)
        best = heapq.nsmallest(5, done.values(), key=lambda one: (-one.fitness, one.job.trial))
        epochs, made_from = self.plan.epochs, tuple(one.job.name for one in best)
        return Job(f"t{trial}", trial, values_of(trial, best), epochs, epochs, trial, made_from=made_from)

    def is_over(self, done: Mapping[str, Result]) -> bool:
        return len(done) >= self.plan.trials


def is_as_made(result: Result, done: Mapping[str, Result]) -> bool:
    """Whether a trial and its fitness follow from what its file names."""
    job = result.job
    again = values_of(job.trial, [done[name] for name in job.made_from])
    return job.values == again and (result.is_failed or result.fitness == fitness_of(job))
