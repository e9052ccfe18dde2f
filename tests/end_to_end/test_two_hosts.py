# SPDX-License-Identifier: Apache-2.0
"""Hosts that train one network under torchrun: one is lost, and comes back or does not; others are no help."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from boxwright.engine.loop import Trainer
from boxwright.errors import EXIT_TRY_AGAIN, EXIT_USER_INPUT
from boxwright.system.tensors import read_tensors
from tests.support.hosts import dies, free_port, started
from tests.support.kills import at_step
from tests.support.ranks import commands
from tests.support.runs import Ground, differences, training_state

pytestmark = pytest.mark.loopback
EPOCHS, LOST_AT = 3, 3
QUICK = ("--amp", "off", "--noplots", "--rank-timeout", "3", "--save-steps", "1")


def worker_lost() -> None:
    """A worker is gone in an optimizer step of its first life."""
    if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
        at_step(LOST_AT)()


def host_lost() -> None:
    """The whole host is gone in an optimizer step of its worker."""
    left, optimize = [LOST_AT], Trainer._optimize

    def trapped(trainer: Trainer) -> None:
        left[0] -= 1
        if left[0] == 0:
            dies()
        optimize(trainer)

    Trainer._optimize = trapped


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("hosts"))


def kept(run: Path) -> dict:
    path = run / "weights" / "last.pt"
    return {**training_state(path), "ranks": read_tensors(path)["ranks"]}


def rows(run: Path) -> list[str]:
    return [line.split(",")[0].strip() for line in (run / "results.csv").read_text().splitlines()[1:]]


def test_a_host_that_was_lost_and_comes_back_goes_on_to_the_bits_of_a_calm_run(ground, tmp_path):
    """The other host counts a restart of its worker, and the one that came back none."""
    words, port = ground.words(tmp_path / "runs", *QUICK, epochs=EPOCHS), free_port()
    hosts = [
        started(tmp_path / str(number), number, port, words, hosts=(2, 2), arm=arm)
        for number, arm in enumerate((worker_lost, host_lost))
    ]
    assert hosts[1].ended() == -signal.SIGKILL
    again = started(tmp_path / "again", 1, port, words, hosts=(2, 2))
    codes = [hosts[0].ended(), again.ended()]
    assert codes == [0, 0], (hosts[0].err, again.err)
    told = hosts[0].out + hosts[0].err
    assert "exact: the same bits" in told
    assert again.out == ""
    calm = commands(2, ground.words(tmp_path / "calm", *QUICK, epochs=EPOCHS))
    assert [one.code for one in calm] == [0, 0], calm
    assert differences(kept(tmp_path / "calm" / "exp"), kept(tmp_path / "runs" / "exp")) == []
    table = Path("exp") / "results.csv"
    assert (tmp_path / "runs" / table).read_bytes() == (tmp_path / "calm" / table).read_bytes()


def test_a_host_that_is_lost_for_good_leaves_the_training_to_those_who_are_left(ground, tmp_path):
    words, port = ground.words(tmp_path / "runs", *QUICK, epochs=EPOCHS), free_port()
    hosts = [
        started(tmp_path / str(number), number, port, words, hosts=(1, 2), arm=arm)
        for number, arm in enumerate((lambda: None, host_lost))
    ]
    assert [hosts[1].ended(), hosts[0].ended()] == [-signal.SIGKILL, 0], hosts[0].err
    assert "processes 2 -> 1: the same batches and schedule" in hosts[0].out
    assert rows(tmp_path / "runs" / "exp") == [str(epoch) for epoch in range(EPOCHS)]
    assert not (tmp_path / "runs" / "exp2").exists()


def test_a_process_that_dies_again_and_again_at_one_step_is_told_so_and_not_started_once_more(ground, tmp_path):
    def dying() -> None:
        if os.environ["RANK"] == "1":
            at_step(2)()

    words = ground.words(tmp_path / "runs", *QUICK[:-2], epochs=EPOCHS)
    host = started(tmp_path / "0", 0, free_port(), words, hosts=(1, 1), workers=2, restarts=5, arm=dying)
    assert host.ended() == EXIT_USER_INPUT, host.err
    told = [line for line in host.err.splitlines() if " was lost " in line]
    assert len(told) == 1, host.err
    assert "a process was lost 3 times behind epoch 0, batch 0. Look into the logs for why" in told[0]
    record = json.loads((tmp_path / "runs" / "exp" / "starts.json").read_text())
    assert (len(record["starts"]), record["ended"]) == (4, EXIT_USER_INPUT)


def test_a_run_of_one_process_is_gone_on_with_by_torchrun_but_not_when_its_time_was_used_up(ground, tmp_path):
    words = ground.words(tmp_path / "runs", *QUICK, epochs=2)
    host = started(tmp_path / "0", 0, free_port(), words, hosts=(1, 1), arm=worker_lost)
    assert host.ended() == 0, host.err
    assert "exact: the same bits" in host.out
    words = ground.words(tmp_path / "timed", *QUICK, "--time", "1e-7", epochs=2)
    timed = started(tmp_path / "1", 0, free_port(), words, hosts=(1, 1), restarts=1)
    assert timed.ended() == EXIT_TRY_AGAIN
    assert [timed.out.count(text) for text in ("stopped: the time budget", "optimizer:")] == [1, 1]


def test_a_host_without_the_data_is_told_by_itself_and_by_the_first_host(ground, tmp_path):
    def without() -> None:
        words[words.index(str(ground.data))] = str(tmp_path / "not here" / "data.yaml")

    words, port = ground.words(tmp_path / "runs", *QUICK, "--batch", "6", epochs=1), free_port()
    hosts = [
        started(tmp_path / str(number), number, port, words, hosts=(2, 2), workers=workers, restarts=0, arm=arm)
        for number, (workers, arm) in enumerate(((2, lambda: None), (1, without)))
    ]
    codes = [host.ended() for host in hosts]
    assert codes == [EXIT_USER_INPUT] * 2, [host.err for host in hosts]
    told = [[line for line in host.err.splitlines() if line.startswith("error: ")] for host in hosts]
    assert [len(lines) for lines in told] == [1, 1], told
    assert "not here" in told[1][0]
    assert told[0][0].startswith("error: rank 2 on ")
    assert told[0][0].endswith(told[1][0].removeprefix("error: "))
    assert not (tmp_path / "runs").exists()
