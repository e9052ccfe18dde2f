# SPDX-License-Identifier: Apache-2.0
"""Evolution as from 2020 to 6.2: the next set is one of the best ones, or their weighted mean, times random factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.search.job import Job, Result
from boxwright.search.ranking import is_old, measured, ranked, within
from boxwright.search.study import MutationRules, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LEAST_WEIGHT = 1e-6  # of a parent above the worst one of them
ATTEMPTS = 1000  # to draw factors of which one moves


class Mutation:
    """Trials 0, 1, ...: the first is the start set, every other one comes from what was known when it was made."""

    def __init__(self, plan: StudyPlan) -> None:
        self.plan = plan

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """The lowest trial that is neither done nor taken."""
        for number in range(self.plan.trials):
            if str(number) not in done and str(number) not in taken:
                return job_of(self.plan, number, parents_of(self.plan, number, done))
        return None

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether every trial has come to something."""
        return all(str(number) in done for number in range(self.plan.trials))


def parents_of(plan: StudyPlan, number: int, done: Mapping[str, Result]) -> list[Result]:
    """The best trials that are known. Failed ones are no parents, and the first trial has those of old records alone.

    So the start set is tried whatever has finished before it, unless an earlier evolution goes on.
    """
    known = [result for result in measured(done) if number > 0 or is_old(result)]
    return ranked(known)[: plan.mutation.best]


def job_of(plan: StudyPlan, number: int, parents: Sequence[Result]) -> Job:
    """Trial `number`, made from these results; from the start set where there are none. Always the same one."""
    draws = generator(plan.seed, Purpose.EVOLVE, number)
    chosen = ranked(parents)
    if chosen:
        base, origin = _parent(plan, chosen, draws)
    else:
        base, origin = {key.name: plan.start[key.name] for key in plan.keys}, "the start set"
    rules = plan.mutation
    if number == 0 and not chosen:
        clips = rules.clips_before_the_first
        values = {key.name: within(key, base[key.name]) if clips else base[key.name] for key in plan.keys}
    else:
        moved = factors(rules, np.array([key.gain for key in plan.keys]), draws)
        values = {
            key.name: round(within(key, base[key.name] * factor), rules.digits)
            for key, factor in zip(plan.keys, moved.tolist(), strict=True)
        }
        origin = f"mutated from {origin}"
    return Job(
        name=str(number),
        trial=number,
        values=values,
        epochs=plan.epochs,
        horizon=plan.epochs,
        seed=plan.seed,
        origin=origin,
        made_from=tuple(parent.job.name for parent in chosen),
    )


def _parent(plan: StudyPlan, parents: list[Result], draws: np.random.Generator) -> tuple[dict[str, float], str]:
    """What is mutated, and what it is in words: one parent drawn by weight, or the weighted mean of all."""
    weights = weights_of([parent.fitness for parent in parents])
    values = np.array([[one.job.values.get(key.name, plan.start[key.name]) for key in plan.keys] for one in parents])
    if plan.mutation.parents == "weighted":
        base, origin = weights @ values, f"the weighted mean of {len(parents)}"
    else:
        drawn = int(draws.choice(len(parents), p=weights))
        base, origin = values[drawn], f"trial {parents[drawn].job.name}"
    return dict(zip((key.name for key in plan.keys), base.tolist(), strict=True)), origin


def weights_of(fitness: Sequence[float]) -> np.ndarray:
    """The shares of parents: how far each is above the worst of them, and a little. (P,) -> (P,), sum 1"""
    weights = np.asarray(fitness, np.float64)
    weights = weights - weights.min() + LEAST_WEIGHT
    shares: np.ndarray = weights / weights.sum()
    return shares


def factors(rules: MutationRules, gains: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """What each key is multiplied by: near 1, and 1 for those that do not mutate; at least one does. (K,) -> (K,)

    Whether a key mutates, and how far, is drawn for each; how wild all of them are is drawn once.
    """
    if not gains.any():
        raise ValueError("no key has a gain")
    moving = np.flatnonzero(gains)
    for attempt in range(ATTEMPTS):
        mutates = draws.random(len(gains)) < rules.probability
        if attempt == ATTEMPTS - 1:
            mutates[draws.choice(moving)] = True  # so that a probability near 0 ends as well
        steps = gains * mutates * draws.standard_normal(len(gains)) * draws.random() * rules.sigma
        found: np.ndarray = np.clip(steps + 1, rules.least_factor, rules.most_factor)
        if (found != 1).any():
            break
    return found
