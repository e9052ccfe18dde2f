# SPDX-License-Identifier: Apache-2.0
"""Laws of the ledger on a file server that is late, for workers who are killed and frozen between any two calls."""

from __future__ import annotations

import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.errors import UserError
from boxwright.search.job import Job
from boxwright.search.ledger import WORKER_DIED, Ledger, Over, Wait
from boxwright.search.plan_file import begin_study
from boxwright.search.study import StudyPlan
from tests.support.late_store import LateStore, Server, Turns
from tests.support.study import HASH, NextNumber, is_as_made, plan_of, result_of

LEASE = 300  # turns
LIMIT = 60_000


class Course:
    """One study from its beginning to its end, with so many kills and freezes on the way."""

    def __init__(self, seed: int, trials: int, workers: int, late: int, kills: int, freezes: int) -> None:
        self.draw = random.Random(seed)
        self.plan, self.server, self.turns = plan_of(trials), Server(), Turns(self.draw)
        self.workers, self.late = workers, late
        self.acknowledged: list[tuple[str, float]] = []
        self.ends: list[Over] = []
        for number in range(workers):
            self.turns.start(f"w{number}", self.work)
        troubles = ["kill"] * kills + ["freeze"] * freezes
        self.draw.shuffle(troubles)
        started = workers
        while self.turns.step():
            assert self.turns.now < LIMIT, "the study does not come to its end"
            if troubles and self.draw.random() < 0.02:
                if troubles.pop() == "freeze":
                    self.turns.freeze(self.draw.randint(LEASE // 2, 3 * LEASE))
                else:
                    self.turns.kill()
                    self.turns.start(f"w{started}", self.work)
                    started += 1
        assert not self.turns.errors, self.turns.errors

    def work(self) -> None:
        store = LateStore(self.server, self.turns, self.late)
        offset = self.draw.uniform(-1e6, 1e6)  # clocks of machines have nothing to do with each other
        plan = self._plan(store)
        ledger = Ledger(store, plan, lease_s=LEASE, beat_s=40, clock=lambda: self.turns.now + offset)
        method = NextNumber(plan)
        while not isinstance(found := ledger.take(method), Over):
            if isinstance(found, Wait):
                for _ in range(10):
                    self.turns.pause()
                continue
            self.train(ledger, found)
        self.ends.append(found)

    def _plan(self, store: LateStore) -> StudyPlan:
        while True:
            with contextlib.suppress(UserError):  # it is there and cannot be seen yet: somebody starts it again
                return begin_study(store, self.plan)

    def train(self, ledger: Ledger, job: Job) -> None:
        for _ in range(3):
            for _ in range(3):
                self.turns.pause()
            ledger.beat(job)
        if ledger.finish(result_of(job), HASH):
            self.acknowledged.append((job.name, result_of(job).fitness))
        ledger.publish("best.json", lambda: _best(ledger))

    def reader(self) -> Ledger:
        """Somebody who comes when all is over, and to whom the server is not late."""
        found = Ledger(LateStore(self.server, self.turns, 0), self.plan)
        found.look()
        return found


def _best(ledger: Ledger) -> bytes:
    best = ledger.best()
    return f"{best and best.job.name}".encode()


@given(
    seed=st.integers(0, 1 << 32),
    trials=st.integers(1, 14),
    workers=st.integers(1, 5),
    late=st.sampled_from([0, 5, 60]),
    kills=st.integers(0, 8),
    freezes=st.integers(0, 4),
)
@settings(max_examples=40)
def test_no_result_is_lost_or_doubled_whatever_happens_between_two_calls(seed, trials, workers, late, kills, freezes):
    course = Course(seed, trials, workers, late, kills, freezes)
    ledger = course.reader()
    done = ledger.results()
    assert sorted(one.job.trial for one in done.values()) == list(range(trials))
    assert not ledger.damaged()
    told = [name for name, _ in course.acknowledged]
    assert len(told) == len(set(told)), "two workers were told that theirs counts"
    for name, fitness in course.acknowledged:
        assert done[name].fitness == fitness, "what a worker was told is kept has changed"
    for result in done.values():
        assert is_as_made(result, done), "a result of other values than those of its trial"
        assert result.failure in {"", WORKER_DIED}
    whole = [one for one in done.values() if not one.is_failed]
    if whole:
        best = max(whole, key=lambda one: (one.fitness, -one.job.trial))
        assert ledger.best() == best
        assert course.ends, "nobody came to the end"


@pytest.mark.parametrize("late", [0, 60])
def test_workers_whom_nobody_disturbs_train_every_trial_once(late):
    course = Course(seed=5, trials=24, workers=3, late=late, kills=0, freezes=0)
    claims = [name for name in course.server.files if name.startswith("claims/")]
    assert len(claims) == 24
    assert len(course.ends) == 3
    assert course.server.files["best.json"][-1][1] == _best(course.reader())
    assert {end.reason for end in course.ends} == {"the study is done: 24 results"}


def test_one_worker_alone_makes_the_same_study_from_the_same_seed():
    first, second = (Course(seed, trials=12, workers=1, late=5, kills=0, freezes=0).reader() for seed in (1, 2))
    assert {name: one.job for name, one in first.results().items()} == {
        name: one.job for name, one in second.results().items()
    }
