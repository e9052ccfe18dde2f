# SPDX-License-Identifier: Apache-2.0
"""Which sets are trained again for the verdict, with which seeds; a wrapper that does it behind any method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.search.evolve_table import values_of
from boxwright.search.job import Job, Method, Result, Stage
from boxwright.search.seeds import verdict_seeds
from boxwright.search.standing import by_trial, longest
from boxwright.search.study import StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

START = "start"  # in the place of a trial's name


@dataclass(frozen=True)
class WithVerdict:
    """A method, and behind it the trainings of the verdict: the finalists and the start set, all with the same seeds.

    Who would be idle while the last trials are trained takes the start set, which is needed whatever they come to.
    """

    method: Method
    plan: StudyPlan

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """The method's next job, and those of the verdict when there is none."""
        job = self.method.next_job(done, taken)
        if job is not None:
            return job
        trains = any(one.stage == Stage.TRIAL and name not in done for name, one in taken.items())
        if trains or not self.method.is_over(done):
            jobs = jobs_of_start(self.plan) if self.plan.verdict.finalists else []
        else:
            jobs = verdict_jobs(self.plan, done)
        return next((one for one in jobs if one.name not in done and one.name not in taken), None)

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether the method is over, and the verdict can be spoken."""
        return self.method.is_over(done) and all(job.name in done for job in verdict_jobs(self.plan, done))


def start_values(plan: StudyPlan) -> dict[str, float]:
    """What the user had, of the keys that move."""
    return {key.name: plan.start[key.name] for key in plan.keys}


def values_searched(plan: StudyPlan, result: Result) -> dict[str, float]:
    """What a trial had, of the keys that move; a key that an earlier record lacks stayed as the user has it."""
    values = values_of(plan, result)
    return {key.name: values[key.name] for key in plan.keys}


def finalists(plan: StudyPlan, done: Mapping[str, Result]) -> dict[str, Result]:
    """The best trials of a whole training, by name, best first; at most as many as the plan wants.

    A set that did not beat the start set where both were trained alike is none: nothing speaks for it.
    """
    start = start_values(plan)
    whole = {
        trial: longest(rungs)
        for trial, rungs in by_trial(done).items()
        if plan.epochs in rungs and not longest(rungs).is_failed
    }
    values = {trial: values_searched(plan, result) for trial, result in whole.items()}
    to_beat = max((one.fitness for trial, one in whole.items() if values[trial] == start), default=float("-inf"))
    chosen: dict[str, Result] = {}
    for trial, result in sorted(whole.items(), key=lambda pair: -pair[1].fitness):
        known = [start, *(values[one] for one in chosen)]
        if result.fitness > to_beat and values[trial] not in known and len(chosen) < plan.verdict.finalists:
            chosen[trial] = result
    return chosen


def jobs_of_start(plan: StudyPlan) -> list[Job]:
    """The start set's trainings, one for each seed."""
    return [_job(plan, START, 0, start_values(plan), seed) for seed in verdict_seeds(plan)]


def jobs_of_finalist(plan: StudyPlan, trial: str, result: Result) -> list[Job]:
    """A finalist's trainings, one for each seed."""
    job, values = result.job, values_searched(plan, result)
    return [_job(plan, trial, job.trial, values, seed, (job.name,)) for seed in verdict_seeds(plan)]


def verdict_jobs(plan: StudyPlan, done: Mapping[str, Result]) -> list[Job]:
    """All trainings of the verdict, seed by seed, so that whole pairs are there early; none without a finalist."""
    found = [jobs_of_finalist(plan, trial, result) for trial, result in finalists(plan, done).items()]
    return [job for same_seed in zip(jobs_of_start(plan), *found, strict=True) for job in same_seed] if found else []


def _job(
    plan: StudyPlan, trial: str, number: int, values: dict[str, float], seed: int, made_from: tuple[str, ...] = ()
) -> Job:
    return Job(
        name=f"v-{trial}-s{seed}",
        trial=number,
        values=values,
        epochs=plan.epochs,
        horizon=plan.epochs,
        seed=seed,
        stage=Stage.VERDICT,
        origin="the start set, with another seed" if trial == START else f"trial {trial}, with another seed",
        made_from=made_from,
    )
