# SPDX-License-Identifier: Apache-2.0
"""How many epochs a search needs on a noisy surface, beside evolution by mutation: `make search`.

The surface stands for a data set whose best hyperparameters lie away from the usual ones: 25 keys, of which few
matter much; learning curves that rise at different rates, so that short trainings order sets only roughly; noise of
the size that one seed has. Counted are the epochs until the best set that was found closes three quarters of the way
from the start set to the top, by its true fitness.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from boxwright.config.packaged import locate
from boxwright.documents import read_yaml
from boxwright.keyed import Purpose, generator
from boxwright.search.halving import Halving
from boxwright.search.job import Job, Result
from boxwright.search.scale import Cube
from boxwright.search.study import SearchRules, StudyPlan
from boxwright.search.tpe import is_installed
from tests.oracles.plain_mutation import KEYS, mutated

EPOCHS = 27
NOISE = 0.01  # of one seed, as much as a mAP of small data sets moves
PEAK = 0.5
MATTER = (3.0, 2.0, 1.5, 1.0, 0.5, 0.5, 0.25, 0.25)  # weights of keys in the loss of fitness; all others 0.02
CLOSED = 0.75  # of the way from the start set to the top
MOST = 2 / 3  # of the epochs of mutation, in the median of surfaces
LONGEST = 600  # whole trainings after which mutation is given up


@dataclass(frozen=True)
class Surface:
    """A made-up training: fitness by set, epochs and seed."""

    number: int

    def __post_init__(self):
        draw = generator(self.number, Purpose.EVOLVE, 0)
        space = Cube(KEYS)
        start = np.array(space.point(start_set()))
        weights = np.full(len(KEYS), 0.02)
        movable = [place for place, key in enumerate(KEYS) if start_set()[key.name] > 0]  # 0 never moves by factors
        chosen = draw.permutation(movable)[: len(MATTER)]
        weights[chosen] = MATTER
        away = draw.uniform(0.15, 0.45, len(KEYS)) * draw.choice((-1.0, 1.0), len(KEYS))
        top = np.where((start + away > 0) & (start + away < 1), start + away, start - away).clip(0, 1)
        early = (top + draw.normal(0.0, 0.08, len(KEYS))).clip(0, 1)  # short trainings like other sets a little better
        for name, value in {"space": space, "weights": weights, "top": top, "early": early}.items():
            object.__setattr__(self, name, value)

    def true(self, values: dict[str, float], epochs: int = EPOCHS) -> float:
        point = np.array(self.space.point(values))
        share = epochs / EPOCHS
        middle = share * self.top + (1 - share) * self.early
        reached = PEAK * np.exp(-float((self.weights * (point - middle) ** 2).sum()))
        return float(reached * (1 - np.exp(-4 * share)) / (1 - np.exp(-4)))

    def measured(self, job: Job) -> float:
        """Noise is of the seed, and of what the set makes of it."""
        address = [round(u * 1e6) for u in self.space.point(job.values)]
        noise = generator(job.seed, Purpose.EVOLVE, self.number, job.epochs, *address).normal(0.0, NOISE)
        return max(self.true(job.values, job.epochs) + noise, 0.0)

    def is_reached(self, values: dict[str, float]) -> bool:
        first = self.true(start_set())
        return self.true(values) >= first + CLOSED * (PEAK - first)


def start_set() -> dict[str, float]:
    return preset("scratch-low")


def preset(name: str) -> dict[str, float]:
    found = read_yaml(locate("hyps", name, "--hyp")).value
    return {key.name: float(found[key.name]) for key in KEYS}


def by_mutation(surface: Surface) -> int:
    """Epochs until the best set is good, or all that it was given."""
    known: list[tuple[float, dict[str, float]]] = []
    draw = generator(surface.number, Purpose.EVOLVE, 1)
    for trial in range(LONGEST):
        values = mutated(known, draw) if known else start_set()
        fitness = surface.measured(Job(f"{trial}", trial, values, EPOCHS, EPOCHS, 0))
        known.append((fitness, values))
        if surface.is_reached(max(known, key=lambda pair: pair[0])[1]):
            return (trial + 1) * EPOCHS
    return LONGEST * EPOCHS


def by_search(surface: Surface, proposer: str, longest: int) -> int:
    """The same for the search. The best is the best of those trained in full."""
    plan = StudyPlan(
        method="search",
        trials=10_000,
        epochs=EPOCHS,
        start=start_set(),
        keys=KEYS,
        seed=surface.number,
        search=SearchRules(
            proposer=proposer,
            priors=tuple(preset(name) for name in ("scratch-med", "scratch-high", "no-augmentation", "voc")),
        ),
    )
    method, done, spent = Halving.of(plan), {}, 0
    while spent < longest:
        job = method.next_job(done, {})
        spent += job.epochs - (done[job.goes_on_from].job.epochs if job.goes_on_from else 0)
        done[job.name] = Result(job, surface.measured(job))
        whole = [one for one in done.values() if one.job.epochs == EPOCHS]
        if job.epochs == EPOCHS and surface.is_reached(max(whole, key=lambda one: one.fitness).job.values):
            return spent
    return longest


def main(words: list[str]) -> int:
    surfaces, proposers = int(words[0]) if words else 10, words[1:] or ["random", *(["tpe"] if is_installed() else [])]
    rows = []
    for number in range(surfaces):
        surface = Surface(number)
        mutation = by_mutation(surface)
        found = [by_search(surface, proposer, mutation * 2) for proposer in proposers]
        rows.append([mutation, *found])
        print(
            f"surface {number}: mutation {mutation} epochs",
            *(f"{name} {one}" for name, one in zip(proposers, found, strict=True)),
            sep=", ",
            flush=True,
        )
    shares = np.array(rows)[:, 1:] / np.array(rows)[:, :1]
    for name, column in zip(proposers, shares.T, strict=True):
        reached = f"median of {surfaces}; {column.min():.3f} to {column.max():.3f}; goal: at most {MOST:.2f}"
        print(f"search by {name}: {np.median(column):.3f} of the epochs of mutation ({reached})")
    return int((np.median(shares, axis=0) > MOST).any())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
