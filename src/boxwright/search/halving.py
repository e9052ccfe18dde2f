# SPDX-License-Identifier: Apache-2.0
"""Asynchronous successive halving (Li et al. 2018): many short trainings, of which the best go on. Nobody waits.

Rungs are numbers of epochs, ascending; the last one is the whole training. A trial begins at the lowest rung and goes
on from its checkpoint when it is among the best of its rung, as that stands at the moment. Everything is computed anew
from what is known, so that workers may come, go and be killed at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from boxwright.errors import SettingError
from boxwright.search.job import Job, Result, Stage
from boxwright.search.proposals import Mixture, Proposer
from boxwright.search.seeds import trial_seed
from boxwright.search.standing import by_fitness
from boxwright.search.study import StudyPlan
from boxwright.search.tpe import Estimator, require_package

if TYPE_CHECKING:
    from collections.abc import Mapping

START = 0  # the trial of the user's own set
MOST_RUNGS = 3  # a training of less than a ninth of the whole says too little about its end


def rungs_of(epochs: int, eta: int, given: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Those given, or the whole training, an eta-th of it and an eta-th of that, as far as there are epochs for it.

    3 epochs -> 1, 3; 27 -> 3, 9, 27; 300 -> 33, 100, 300. Raises SettingError for rungs that do not rise to `epochs`.
    """
    if given:
        if any(low >= high for low, high in zip((0, *given), given, strict=False)) or given[-1] != epochs:
            shown = ", ".join(map(str, given))
            raise SettingError(
                "rungs",
                f"{shown} do not rise to {epochs} epochs",
                "Give numbers of epochs, ascending, the last one --epochs",
            )
        return given
    found = [epochs]
    while len(found) < MOST_RUNGS:
        below = round(epochs / eta ** len(found))
        if not 0 < below < found[-1]:
            break
        found.append(below)
    return tuple(reversed(found))


@dataclass(frozen=True)
class _Known:
    """What is known, by rung: jobs that were ever given out, and results, by trial."""

    given: tuple[dict[int, Job], ...]
    measured: tuple[dict[int, Result], ...]


@dataclass(frozen=True)
class Halving:
    """The method "search". `proposer` makes the sets of new trials; trial 0 is the start set, and always goes on.

    Raises SettingError for rungs that do not rise to the whole training, and for a budget that is no start set's.
    """

    plan: StudyPlan
    proposer: Proposer

    def __post_init__(self) -> None:
        rungs_of(self.plan.epochs, self.plan.search.eta, self.plan.search.rungs)
        if 0 < self.plan.search.budget < self.plan.epochs:
            raise SettingError(
                f"a budget of {self.plan.search.budget} epochs",
                f"the start set alone is trained for {self.plan.epochs}",
                "Give a larger --budget, or fewer --epochs",
            )

    @classmethod
    def of(cls, plan: StudyPlan) -> Halving:
        """With the proposer of the plan. Raises SettingError where its package is missing."""
        if plan.search.proposer == "tpe":
            require_package()
            return cls(plan, Estimator(plan))
        return cls(plan, Mixture(plan))

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Epochs, ascending."""
        return rungs_of(self.plan.epochs, self.plan.search.eta, self.plan.search.rungs)

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """One that goes on, from the highest rung that has one; otherwise a new trial; None while both lack."""
        known = self._known(done, taken)
        for rung in reversed(range(len(self.rungs) - 1)):
            trial = next(iter(self._waiting(known, rung)), None)
            if trial is not None:
                return self._longer(known.given[rung][trial], rung + 1)
        if not self._may_begin(known):
            return None
        return self._new(next(n for n in range(self.plan.trials) if n not in known.given[0]), done, taken)

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether nothing goes on and nothing begins."""
        known = self._known(done, {})
        return not self._may_begin(known) and not any(self._waiting(known, n) for n in range(len(self.rungs) - 1))

    def _known(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> _Known:
        jobs = {**taken, **{name: result.job for name, result in done.items()}}
        given: tuple[dict[int, Job], ...] = tuple({} for _ in self.rungs)
        measured: tuple[dict[int, Result], ...] = tuple({} for _ in self.rungs)
        for name, job in jobs.items():
            if job.stage == Stage.TRIAL and job.epochs in self.rungs:
                rung = self.rungs.index(job.epochs)
                given[rung][job.trial] = job
                if name in done:
                    measured[rung][job.trial] = done[name]
        return _Known(given, measured)

    def _waiting(self, known: _Known, rung: int) -> list[int]:
        """Trials that may go on from this rung and have not, best first.

        Those are the start set, and the best of every `eta` that were measured here: one at least when no other result
        will come. A training that failed goes nowhere, and makes no room for another.
        """
        fitness = {trial: one.fitness for trial, one in known.measured[rung].items() if not one.is_failed}
        keep = len(fitness) // self.plan.search.eta
        if keep == 0 and self._is_closed(known, rung):
            keep = 1
        best = by_fitness(dict(sorted(fitness.items())))
        chosen = [trial for place, trial in enumerate(best) if place < keep or trial == START]
        room = self._budget - self._spent(known) - self._step(rung + 1)
        kept_back = self._of_the_start_set(known)
        return [
            trial for trial in chosen if trial not in known.given[rung + 1] and (trial == START or kept_back <= room)
        ]

    def _is_closed(self, known: _Known, rung: int) -> bool:
        """Whether this rung has all the results that it will ever have."""
        if len(known.measured[rung]) < len(known.given[rung]):
            return False
        if rung == 0:
            return not self._may_begin(known)
        return self._is_closed(known, rung - 1) and not self._waiting(known, rung - 1)

    def _may_begin(self, known: _Known) -> bool:
        """Whether another trial fits into the number of trials, and into the budget with all that may follow it."""
        begun = len(known.given[0])
        if begun >= self.plan.trials:
            return False
        return self._spent(known) + self._step(0) + self._to_come(begun + 1, known) <= self._budget

    @property
    def _budget(self) -> float:
        return self.plan.search.budget or float("inf")

    def _step(self, rung: int) -> int:
        """Epochs from the rung below to this one."""
        return self.rungs[rung] - (self.rungs[rung - 1] if rung else 0)

    def _spent(self, known: _Known) -> int:
        return sum(len(jobs) * self._step(rung) for rung, jobs in enumerate(known.given))

    def _of_the_start_set(self, known: _Known) -> int:
        """Epochs that nobody else gets, since the start set is trained to the end."""
        if _start_failed(known):
            return 0
        return sum(self._step(rung) for rung, jobs in enumerate(known.given) if START not in jobs)

    def _to_come(self, trials: int, known: _Known) -> int:
        """Epochs that so many trials still need above the lowest rung, where some were given out before."""
        missing, lost = 0, int(_start_failed(known))
        for rung, wanted in list(enumerate(goes_on(trials, self.plan.search.eta, len(self.rungs))))[1:]:
            missing += max(wanted - lost - len(known.given[rung]), 0) * self._step(rung)
        return missing

    def _longer(self, job: Job, rung: int) -> Job:
        return Job(
            name=_name(job.trial, rung),
            trial=job.trial,
            values=job.values,
            epochs=self.rungs[rung],
            horizon=self.plan.epochs,
            seed=trial_seed(self.plan),
            origin=job.origin,
            made_from=job.made_from,
            goes_on_from=job.name,
        )

    def _new(self, trial: int, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job:
        proposal = self.proposer.propose(trial, done, taken)
        return Job(
            name=_name(trial, 0),
            trial=trial,
            values=proposal.values,
            epochs=self.rungs[0],
            horizon=self.plan.epochs,
            seed=trial_seed(self.plan),
            origin=proposal.origin,
            made_from=proposal.made_from,
        )


def _start_failed(known: _Known) -> bool:
    return any(START in here and here[START].is_failed for here in known.measured)


def _name(trial: int, rung: int) -> str:
    return f"{trial}-r{rung}"


def goes_on(trials: int, eta: int, rungs: int) -> list[int]:
    """How many of so many trials reach each rung: an eta-th of the rung below, one at least, and the start set.

    Trials that went on and were overtaken later come on top.
    """
    found = [trials]
    for _ in range(1, rungs):
        found.append(min(max(found[-1] // eta, 1) + 1, found[-1]))
    return found
