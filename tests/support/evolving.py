# SPDX-License-Identifier: Apache-2.0
"""Studies that train nothing: a fitness is computed, and workers finish in whatever order one likes."""

from __future__ import annotations

from boxwright.search.evolve_table import RESULTS
from boxwright.search.job import Job, Result
from boxwright.search.mutation import Mutation
from boxwright.search.population import Population
from boxwright.search.study import Key, StudyPlan

KEYS = (Key("lr0", 1e-5, 0.1), Key("momentum", 0.6, 0.98, 0.3), Key("scale", 0, 0.9), Key("mosaic", 0, 1))
START = {"lr0": 0.01, "momentum": 0.937, "scale": 0.5, "mosaic": 0.8, "box": 0.05}


def plan_of(method: str = "mutation", **others) -> StudyPlan:
    return StudyPlan(**{"method": method, "trials": 12, "epochs": 3, "start": START, "keys": KEYS, **others})


def method_of(plan: StudyPlan):
    return Mutation(plan) if plan.method == "mutation" else Population(plan)


def result_of(job: Job, fitness: float | None = None) -> Result:
    """What a job comes to; without a number its fitness follows from its values."""
    if fitness is None:
        fitness = max(0.5 - abs(job.values["scale"] - 0.3) - abs(job.values.get("mosaic", 0.6) - 0.6) / 4, 0.001)
    return Result(job, fitness, {name: round(fitness, 4) for name in RESULTS})


def failed(job: Job) -> Result:
    return Result(job, 0.0, failure="out of memory", reason="the device has no room")


def trained(plan: StudyPlan) -> dict[str, Result]:
    """A whole study with one worker."""
    method, done = method_of(plan), {}
    while (job := method.next_job(done, {})) is not None:
        done[job.name] = result_of(job)
    assert method.is_over(done)
    return done


def known(fitness, values=None, first: int = 0) -> list[Result]:
    """Results of this fitness, of trials from `first` on."""
    jobs = [
        Job(str(i), i, dict(START if values is None else values[i - first]), 3, 3, 0)
        for i in range(first, first + len(fitness))
    ]
    return [result_of(job, one) for job, one in zip(jobs, fitness, strict=True)]
