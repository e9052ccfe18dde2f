# SPDX-License-Identifier: Apache-2.0
"""The budget of a study: what counts, and when it is spent."""

from __future__ import annotations

import pytest

from boxwright.errors import SettingError
from boxwright.search.budget import Budget, Budgeted, read_budget
from boxwright.search.job import Job, Result, Stage


def result(name: str, epochs: int, *, seconds: float = 0.0, goes_on_from: str = "", stage: Stage = Stage.TRIAL):
    job = Job(name, 0, {}, epochs, 27, 0, stage=stage, goes_on_from=goes_on_from)
    return {name: Result(job, 0.5, seconds=seconds)}


def test_a_trial_that_goes_on_counts_only_what_it_added():
    done = {**result("0-r0", 3), **result("0-r1", 9, goes_on_from="0-r0"), **result("1-r0", 3)}
    assert Budget(100, "epochs").spent(done) == 12


def test_a_verdict_is_not_paid_from_the_budget():
    done = {**result("0", 3, seconds=3600), **result("v-0-s1", 3, seconds=3600, stage=Stage.VERDICT)}
    assert Budget(1, "epochs").spent(done) == 3
    assert Budget(1, "hours").spent(done) == 1.0


@pytest.mark.parametrize(
    ("text", "workers", "budget"),
    [
        ("40", 2, Budget(40, "epochs")),
        ("12h", 2, Budget(24, "hours")),
        ("1.5 h", 1, Budget(1.5, "hours")),
        ("40gpuh", 4, Budget(40, "hours")),
    ],
)
def test_hours_are_those_of_all_workers(text, workers, budget):
    assert read_budget(text, workers) == budget


@pytest.mark.parametrize("text", ["h", "-3", "0", "twelve", "0h"])
def test_what_is_no_length_is_one_line(text):
    with pytest.raises(SettingError, match="is no length"):
        read_budget(text, 1)


class Endless:
    def next_job(self, done, taken):
        return Job(str(len(done) + len(taken)), len(done), {}, 3, 3, 0)

    def is_over(self, _done):
        return False


def test_nothing_is_begun_once_the_budget_is_spent():
    method, done = Budgeted(Endless(), Budget(7, "epochs")), {}
    while (job := method.next_job(done, {})) is not None:
        assert not method.is_over(done)
        done[job.name] = Result(job, 0.1)
    assert method.is_over(done)
    assert len(done) == 3, "the trial that goes beyond it is finished, and no other begun"
