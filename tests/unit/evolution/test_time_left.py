# SPDX-License-Identifier: Apache-2.0
"""How long a study still takes: what its trials took, times what is left, divided among its workers."""

from __future__ import annotations

from boxwright.evolution.time_left import seconds_left
from boxwright.search.job import Job, Result, Stage
from boxwright.search.study import Key, StudyPlan, VerdictRules


def plan(method: str = "mutation", trials: int = 10, epochs: int = 3, **more) -> StudyPlan:
    return StudyPlan(method=method, trials=trials, epochs=epochs, start={}, keys=(Key("lr0", 0.0, 0.1),), **more)


def done(*rows: tuple[str, int, float, str]) -> dict[str, Result]:
    return {
        name: Result(Job(name, 0, {}, epochs, 9, 0, goes_on_from=before), 0.5, seconds=seconds)
        for name, epochs, seconds, before in rows
    }


def test_nothing_is_said_before_anything_is_known():
    assert seconds_left(plan(), {}, 1) is None


def test_what_is_left_is_shared_by_the_workers():
    known = done(("0", 3, 30.0, ""), ("1", 3, 60.0, ""))
    assert seconds_left(plan(), known, 1) == 8 * 45.0
    assert seconds_left(plan(), known, 4) == 2 * 45.0


def test_a_trial_that_went_on_counts_what_it_added():
    known = done(("0-r0", 1, 10.0, ""), ("0-r1", 3, 20.0, "0-r0"))
    assert seconds_left(plan(trials=2), known, 1) == 3 * 10.0


def test_a_verdict_comes_on_top():
    known = done(("0", 3, 30.0, ""))
    judged = plan(trials=1, verdict=VerdictRules(finalists=1, seeds=2))
    assert seconds_left(judged, known, 1) == 2 * 2 * 30.0
    job = Job("v-0-s1", 0, {}, 3, 3, 1, stage=Stage.VERDICT)
    assert seconds_left(judged, known | {job.name: Result(job, 0.5, seconds=30.0)}, 1) == 3 * 30.0


def test_hours_are_what_is_left_of_them():
    known = done(("0", 3, 1800.0, ""))
    assert seconds_left(plan(facts={"budget": "2h", "workers": 1}), known, 1) == 1.5 * 3600
    assert seconds_left(plan(facts={"budget": "2h", "workers": 2}), known, 2) == 3.5 * 3600 / 2


def test_failures_say_nothing_about_the_time():
    failed = {"0": Result(Job("0", 0, {}, 3, 3, 0), 0.0, failure="data", seconds=1.0)}
    assert seconds_left(plan(), failed, 1) is None
