# SPDX-License-Identifier: Apache-2.0
"""What is known of the trials of a study, and which of them stands higher when they were trained differently long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from boxwright.search.job import Job, Result, Stage
from boxwright.search.ranking import is_old

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_Trial = TypeVar("_Trial", int, str)
_RUNG = re.compile(r"-r[0-9]+$")


def trial_of(job: Job) -> str:
    """The name of the trial that a job trains: that of the job without its rung. 12-r1 is of trial 12."""
    return _RUNG.sub("", job.name)


def by_trial(done: Mapping[str, Result]) -> dict[str, dict[int, Result]]:
    """Results of the search itself: name of the trial -> epochs -> result, by number of the trial and by epochs.

    Trials of an earlier record do not tell their epochs: they were trained as long as the longest one here.
    """
    found: dict[str, dict[int, Result]] = {}
    results = [one for one in done.values() if one.job.stage == Stage.TRIAL]
    most = max((one.job.epochs for one in results), default=0)
    for result in sorted(results, key=lambda one: (one.job.trial, one.job.epochs, one.job.name)):
        found.setdefault(trial_of(result.job), {})[most if is_old(result) else result.job.epochs] = result
    return found


def is_failed(rungs: Mapping[int, Result]) -> bool:
    """Whether any training of a trial came to nothing."""
    return any(one.is_failed for one in rungs.values())


def longest(rungs: Mapping[int, Result]) -> Result:
    """What the longest training of a trial came to."""
    return rungs[max(rungs)]


def standing(done: Mapping[str, Result]) -> list[str]:
    """Trials, the best first.

    All are ordered by their shortest training. Those that were trained longer share out the places that they hold there
    anew, by the longer training, and so on. Nobody wins a place only because it was trained for longer, and a longer
    training is believed where there is one. A trial that failed stands last, however far it came.
    """
    trials = by_trial(done)
    whole = {trial: rungs for trial, rungs in trials.items() if not is_failed(rungs)}
    order: list[str] = []
    for epochs in sorted({epochs for rungs in whole.values() for epochs in rungs}):
        here = {trial: rungs[epochs].fitness for trial, rungs in whole.items() if epochs in rungs}
        known = set(order)
        order += [trial for trial in here if trial not in known]
        places = [place for place, trial in enumerate(order) if trial in here]
        for place, trial in zip(places, by_fitness(here), strict=True):
            order[place] = trial
    return [*order, *(trial for trial in trials if trial not in whole)]


def by_fitness(fitness: Mapping[_Trial, float]) -> list[_Trial]:
    """Trials, the highest fitness first; of equal ones the one that is named first."""
    return sorted(fitness, key=lambda trial: -fitness[trial])


def epochs_trained(jobs: Iterable[Job]) -> int:
    """What these jobs cost together, in epochs: one that goes on from another pays for what it adds."""
    known = {job.name: job for job in jobs}
    return sum(
        job.epochs - (known[job.goes_on_from].epochs if job.goes_on_from in known else 0) for job in known.values()
    )
