# SPDX-License-Identifier: Apache-2.0
"""A search whose trainings cost nothing, worked on by as many workers as one likes, who finish in any order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from boxwright.search.halving import Halving
from boxwright.search.job import Job, Result, Stage
from boxwright.search.proposals import Proposal
from boxwright.search.study import SearchRules, StudyPlan
from tests.support.evolving import failed, plan_of

if TYPE_CHECKING:
    from collections.abc import Callable


def search_plan(trials: int = 12, epochs: int = 27, *, verdict=None, **rules) -> StudyPlan:
    others = {"verdict": verdict} if verdict else {}
    search = SearchRules(**{"proposer": "random", **rules})
    return plan_of("search", trials=trials, epochs=epochs, search=search, **others)


class Numbered:
    """A proposer whose sets say of which trial they are."""

    def propose(self, trial, done, taken):  # noqa: ARG002 -- as proposers are asked
        return Proposal({"scale": trial / 1000}, "numbered")


def numbered(trials: int = 12, epochs: int = 27, **rules) -> Halving:
    return Halving(search_plan(trials, epochs, **rules), Numbered())


@dataclass
class Worked:
    """What workers made of a method. `before` each job: the results and the jobs that were known when it was asked."""

    done: dict[str, Result] = field(default_factory=dict)
    taken: dict[str, Job] = field(default_factory=dict)
    before: dict[str, tuple[dict[str, Result], dict[str, Job]]] = field(default_factory=dict)
    idle: list[tuple[dict[str, Result], dict[str, Job]]] = field(default_factory=list)  # nothing was there to do

    def epochs(self, stage: Stage = Stage.TRIAL) -> int:
        """What all of it cost."""
        jobs = [job for job in self.taken.values() if job.stage == stage]
        return sum(one.epochs - (self.taken[one.goes_on_from].epochs if one.goes_on_from else 0) for one in jobs)


def worked(method, fitness: Callable[[Job], float | None], workers: int = 1, seed: int = 0, most: int = 2000) -> Worked:
    """Until it is over. A training without a fitness fails."""
    draw, found, at_work = np.random.default_rng(seed), Worked(), []
    while not (method.is_over(found.done) and not at_work):
        while len(at_work) < workers:
            job = method.next_job(dict(found.done), dict(found.taken))
            assert job == method.next_job(dict(reversed(found.done.items())), dict(reversed(found.taken.items())))
            if job is None:
                found.idle.append((dict(found.done), dict(found.taken)))
                break
            assert job.name not in found.taken
            found.before[job.name] = (dict(found.done), dict(found.taken))
            found.taken[job.name] = job
            at_work.append(job)
            assert len(found.taken) < most
        assert at_work, "nobody has anything to do, and it is not over"
        job = at_work.pop(int(draw.integers(len(at_work))))
        value = fitness(job)
        found.done[job.name] = failed(job) if value is None else Result(job, value, seconds=10.0 * job.epochs)
    return found


def by_noise(seed: int = 0) -> Callable[[Job], float]:
    """Sets have no effect at all."""
    draw = np.random.default_rng(seed)
    return lambda job: 0.4 + 0.01 * float(draw.standard_normal())
