# SPDX-License-Identifier: Apache-2.0
"""Where the set of a new trial comes from, without any further package: known good sets, what did best, anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.search.evolve_table import values_of
from boxwright.search.job import Job, Result
from boxwright.search.ranking import within
from boxwright.search.scale import Cube
from boxwright.search.standing import by_trial, is_failed, longest, standing
from boxwright.search.study import StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

THE_START_SET = "the start set"
A_PRESET = "a preset"
NEAR_THE_START_SET = "near the start set"
NEAR_A_PRESET = "near a preset"
OF_THE_BEST = "crossed from the best"
ANYWHERE = "anywhere within the limits"

UNIFORM = 0.1  # the share that is drawn anywhere, always
HALF_KNOWN = 6  # results after which half of what is not drawn anywhere is crossed from the best
BEST = 4  # trials count as the best, or a quarter of all
MOVES = 0.5  # the probability that a key of a known set moves
SHORTEST, LONGEST = 0.05, 0.3  # steps, of the whole range of a key: standard deviations, as many short as long ones
ATTEMPTS = 20  # draws after which a set that was there before is tried again all the same


class Proposal(NamedTuple):
    """A set to try, in words where it comes from, and the jobs whose results it was made from."""

    values: dict[str, float]
    origin: str
    made_from: tuple[str, ...] = ()


class Proposer(Protocol):
    """A pure function of the number of the trial and of what is known."""

    def propose(self, trial: int, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Proposal:
        """The set of this trial."""
        ...


@dataclass(frozen=True)
class Mixture:
    """The start set first. Then draws near the start set and presets and, more with every result, of the best.

    As in PriorBand (Mallik et al. 2023): what people know is used early, believed less later, and can be wrong, since
    some sets are always drawn anywhere. A preset is tried as it is before anything near it.
    """

    plan: StudyPlan

    @cached_property
    def space(self) -> Cube:
        """What is searched."""
        return Cube(self.plan.keys)

    @cached_property
    def start(self) -> dict[str, float]:
        """The user's own values of the keys that move, as they are."""
        return {key.name: self.plan.start[key.name] for key in self.plan.keys}

    @cached_property
    def priors(self) -> tuple[dict[str, float], ...]:
        """Presets within the limits; a key that one lacks has the start set's value."""
        sets = (self.space.values(self.space.point({**self.start, **prior})) for prior in self.plan.search.priors)
        unlike = {tuple(one.values()): one for one in sets if one != self.start}
        return tuple(unlike.values())

    def propose(self, trial: int, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Proposal:
        """The set of this trial, unlike all that were given out before, if there is such a one."""
        if trial == 0:
            return Proposal(dict(self.start), THE_START_SET)
        draw = generator(self.plan.seed, Purpose.EVOLVE, trial)
        before = [job.values for job in taken.values()] + [one.job.values for one in done.values()]
        found = self._draw(draw, done, before)
        for _ in range(ATTEMPTS):
            if found.values not in before:
                break
            found = self._draw(draw, done, before)
        return found

    def _draw(self, draw: np.random.Generator, done: Mapping[str, Result], before: list[dict[str, float]]) -> Proposal:
        best = self._best(done)
        for_best = (1 - UNIFORM) * len(by_trial(done)) / (len(by_trial(done)) + HALF_KNOWN) if best else 0.0
        which = draw.random()
        if which < UNIFORM:
            return Proposal(self.space.values(draw.random(len(self.plan.keys))), ANYWHERE)
        if which < UNIFORM + for_best:
            return self._crossed(draw, best)
        number = int(draw.integers(len(self.priors) + 1))
        if number == len(self.priors):
            return Proposal(self._near(draw, self.start), NEAR_THE_START_SET)
        fresh = [prior for prior in self.priors if prior not in before]
        if fresh:
            return Proposal(dict(fresh[0]), A_PRESET)
        return Proposal(self._near(draw, self.priors[number]), NEAR_A_PRESET)

    def _best(self, done: Mapping[str, Result]) -> list[Result]:
        """The longest training of each of the best trials, best first."""
        trials = by_trial(done)
        whole = [trials[trial] for trial in standing(done) if not is_failed(trials[trial])]
        return [longest(rungs) for rungs in whole[: max(BEST, -(-len(whole) // 4))]]

    def _crossed(self, draw: np.random.Generator, best: list[Result]) -> Proposal:
        """Every key from one of the best, the better the likelier, and a step on.

        What a single good trial owes to luck is not passed on whole.
        """
        points = np.array([self.space.point(values_of(self.plan, one)) for one in best])
        chosen = (len(best) * draw.random(len(self.plan.keys)) ** 2).astype(int)
        point = points[chosen, np.arange(len(self.plan.keys))]
        moved = mirrored(point + draw.normal(0.0, _length(draw), len(point)))
        parents = sorted({best[number].job.name for number in chosen.tolist()})
        return Proposal(self.space.values(moved), OF_THE_BEST, tuple(parents))

    def _near(self, draw: np.random.Generator, values: Mapping[str, float]) -> dict[str, float]:
        """Some keys moved by steps of one length; the others stay as they are, within their limits."""
        point = np.array(self.space.point(values))
        moves = draw.random(len(point)) < MOVES
        moves[draw.integers(len(point))] = True
        moved = self.space.values(mirrored(point + draw.normal(0.0, _length(draw), len(point))))
        return {
            key.name: moved[key.name] if is_moved else within(key, values[key.name])
            for key, is_moved in zip(self.plan.keys, moves, strict=True)
        }


def _length(draw: np.random.Generator) -> float:
    return float(SHORTEST * (LONGEST / SHORTEST) ** draw.random())


def mirrored(points: np.ndarray) -> np.ndarray:
    """Into the unit cube, as if its walls were mirrors."""
    wrapped = np.mod(points, 2.0)
    inside: np.ndarray = np.minimum(wrapped, 2.0 - wrapped)
    return inside
