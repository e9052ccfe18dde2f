# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading

import pytest

from boxwright.errors import UserError
from boxwright.search.heartbeat import Heartbeat
from boxwright.search.ledger import Ledger
from boxwright.search.store import FolderStore
from tests.support.study import NextNumber, plan_of


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ledger(tmp_path):
    return Ledger(FolderStore(tmp_path), plan_of(3), lease_s=1.0, beat_s=0.001)


def beat_of(ledger, job):
    return ledger.store.read(f"beats/{job.name}.0.json")


def test_signs_of_life_come_while_the_training_gets_on_and_end_when_it_is_stuck(ledger):
    clock, mark = Clock(), ["epoch 1"]
    job = ledger.take(NextNumber(ledger.plan))
    heart = Heartbeat(ledger, job, lambda: mark[0], stall_s=100, clock=clock)
    signs = [beat_of(ledger, job)]
    for now in (50, 100):
        clock.now = now
        assert heart.beat()
        signs.append(beat_of(ledger, job))
    clock.now = 101
    assert not heart.beat()
    assert beat_of(ledger, job) == signs[-1]
    mark[0] = "epoch 2"
    assert heart.beat()
    assert len({*signs, beat_of(ledger, job)}) == 4
    ledger.look()
    assert [one.progress for one in ledger.running()] == ["epoch 2"]


def test_the_thread_gives_signs_of_life_until_the_training_ends(ledger):
    job, many = ledger.take(NextNumber(ledger.plan)), threading.Event()
    marks = []

    def mark():
        marks.append(beat_of(ledger, job))
        if len(marks) > 5:
            many.set()
        return str(len(marks))

    with Heartbeat(ledger, job, mark):
        assert many.wait(20)
    count = len(marks)
    assert len(set(marks)) == count - 1  # each look found another sign of life, but for the two before the first one
    assert not [thread for thread in threading.enumerate() if thread.name == "boxwright heartbeat"]


def test_a_sign_of_life_that_cannot_be_written_is_missed_and_told(ledger, monkeypatch):
    job = ledger.take(NextNumber(ledger.plan))
    heart = Heartbeat(ledger, job, lambda: "")

    def full(_name, _content):
        raise UserError("beats", "cannot be written (no space left on device)")

    with monkeypatch.context() as patched:
        patched.setattr(ledger.store, "put", full)
        assert not heart.beat()
        assert "no space" in str(heart.trouble)
    assert heart.beat()
    assert heart.trouble is None
