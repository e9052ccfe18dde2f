# SPDX-License-Identifier: Apache-2.0
"""Evolution as in 7.0: a population whose next generation is crossed and mutated from winners of tournaments.

Trial number = generation * size + individual, both from 0. A generation is made when the one before is known whole; the
rates that make it are those of the one before. Nothing survives by itself: the elite is among the parents, no more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.search.job import Job, Result
from boxwright.search.ranking import within
from boxwright.search.study import PopulationRules, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TENTHS = 10  # of the generations: a tournament loses one individual in each
POOL = -1  # in the address of random numbers, in the place of an individual: those of the generation itself


class Rates(NamedTuple):
    """What holds while the children of a generation are made."""

    elite: int
    tournament: int
    crossover: float
    mutation: float


class Population:
    """Trials by generations. The last one may end early, with the trials of the plan."""

    def __init__(self, plan: StudyPlan) -> None:
        self.plan = plan

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """The lowest trial that is neither done nor taken; None while its parents are not all known."""
        for number in range(self.plan.trials):
            if str(number) not in done and str(number) not in taken:
                parents = parents_of(self.plan, number, done)
                return None if parents is None else job_of(self.plan, number, parents)
        return None

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether every trial has come to something."""
        return all(str(number) in done for number in range(self.plan.trials))


def rates_of(rules: PopulationRules, generation: int) -> Rates:
    """How the children of generation g of G are made: ever more elite, less pressure, and finer."""
    g, whole = generation, rules.generations
    tournament = int(min(rules.tournament, rules.size) - g / (whole / TENTHS))
    return Rates(
        min(rules.elite + int(rules.elite_growth * g / whole), rules.size),
        min(max(rules.least_tournament, tournament), rules.size),
        max(rules.least_crossover, min(1.0, 1 - g / whole)),
        max(rules.least_mutation, min(rules.most_mutation, rules.most_mutation - g / whole)),
    )


def parents_of(plan: StudyPlan, number: int, done: Mapping[str, Result]) -> list[Result] | None:
    """The whole generation before that of a trial; [] for the first one, None while it is not known."""
    size = plan.population.size
    end = number // size * size
    names = [str(one) for one in range(max(end - size, 0), end)]
    return [done[name] for name in names] if all(name in done for name in names) else None


def job_of(plan: StudyPlan, number: int, parents: Sequence[Result]) -> Job:
    """Trial `number`, made from the results of the generation before. Always the same one."""
    generation, individual = divmod(number, plan.population.size)
    draws = generator(plan.seed, Purpose.EVOLVE, generation, individual)
    before = sorted(parents, key=lambda result: result.job.trial)
    genes, origin = _child(plan, generation, before, draws) if before else _founder(plan, individual, draws)
    return Job(
        name=str(number),
        trial=number,
        values=dict(zip((key.name for key in plan.keys), genes.tolist(), strict=True)),
        epochs=plan.epochs,
        horizon=plan.epochs,
        seed=plan.seed,
        origin=f"generation {generation}: {origin}",
        made_from=tuple(parent.job.name for parent in before),
    )


def newest_generation(plan: StudyPlan, done: Mapping[str, Result]) -> tuple[int, list[dict[str, float]]]:
    """The last generation whose sets are known, and the sets: the first one, or one whose parents are all done."""
    size, generation = plan.population.size, 0
    while (generation + 1) * size < plan.trials and parents_of(plan, (generation + 1) * size, done) is not None:
        generation += 1
    parents = parents_of(plan, generation * size, done) or []
    return generation, [job_of(plan, generation * size + one, parents).values for one in range(size)]


# -- the first generation


def _founder(plan: StudyPlan, individual: int, draws: np.random.Generator) -> tuple[np.ndarray, str]:
    """A given set within the limits, or one that is drawn from all that there could be."""
    given = plan.population.first
    if individual < len(given):
        found = given[individual]
        genes = [within(key, found.get(key.name, plan.start.get(key.name, key.low))) for key in plan.keys]
        return np.array(genes), f"given set {individual}"
    low, high = _limits(plan)
    return draws.uniform(low, high), "drawn"


# -- every other one


def _child(
    plan: StudyPlan, generation: int, before: Sequence[Result], draws: np.random.Generator
) -> tuple[np.ndarray, str]:
    rates = rates_of(plan.population, generation - 1)
    fitness = np.array([one.fitness if math.isfinite(one.fitness) else 0.0 for one in before])
    pool = pool_of(fitness, rates, generator(plan.seed, Purpose.EVOLVE, generation, POOL))
    first, second = pool[draws.choice(len(pool), 2, replace=False)]
    child, cut = crossed(_genes(plan, before[first]), _genes(plan, before[second]), rates.crossover, draws)
    low, high = _limits(plan)
    moved = mutated(child, rates.mutation, plan.population.step, draws)
    changed = int((moved != child).sum())
    names = [before[place].job.name for place in (first, second)]
    parentage = f"crossed from {names[0]} and {names[1]} at {cut}" if cut else f"copied from {names[0]}"
    return np.clip(moved, low, high), f"{parentage}, {changed} of {len(child)} keys mutated"


def pool_of(fitness: np.ndarray, rates: Rates, draws: np.random.Generator) -> np.ndarray:
    """Who may become a parent: winners of tournaments, and the elite. Places in the generation. (P,) -> (P,)

    A tournament is drawn without replacement, and the fittest of it wins; of equal ones the first.
    """
    order = np.argsort(-fitness, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    winners = [
        min(draws.choice(len(fitness), rates.tournament, replace=False), key=lambda place: int(rank[place]))
        for _ in range(len(fitness) - rates.elite)
    ]
    return np.array([*winners, *order[: rates.elite]], np.int64)


def crossed(
    first: np.ndarray, second: np.ndarray, probability: float, draws: np.random.Generator
) -> tuple[np.ndarray, int]:
    """The beginning of one and the end of the other, and where it was cut: within 1 ... n-1. Else a copy, cut 0."""
    if len(first) < 2 or draws.random() >= probability:  # noqa: PLR2004 -- one gene cannot be cut
        return first.copy(), 0
    cut = int(draws.integers(1, len(first)))
    return np.concatenate((first[:cut], second[cut:])), cut


def mutated(genes: np.ndarray, probability: float, step: float, draws: np.random.Generator) -> np.ndarray:
    """A copy in which each gene moved with this probability, by up to a step both ways. (K,) -> (K,)"""
    moves = draws.random(len(genes)) < probability
    moved: np.ndarray = genes + moves * draws.uniform(-step, step, len(genes))
    return moved


def _genes(plan: StudyPlan, result: Result) -> np.ndarray:
    return np.array([result.job.values[key.name] for key in plan.keys])


def _limits(plan: StudyPlan) -> tuple[np.ndarray, np.ndarray]:
    return np.array([key.low for key in plan.keys]), np.array([key.high for key in plan.keys])
