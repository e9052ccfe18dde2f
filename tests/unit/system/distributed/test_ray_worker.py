# SPDX-License-Identifier: Apache-2.0
"""What workers of Ray use, without Ray."""

from __future__ import annotations

import contextlib
import signal

from boxwright.system.distributed.launch_environment import Launch, cluster_of_ray
from boxwright.system.distributed.process_group import world_of
from boxwright.system.distributed.ray_worker import Desk, _Lines
from boxwright.system.signals import StopRequest, stops_collected
from boxwright.system.terminal import say, say_at_once


def test_whoever_asked_hears_all_that_was_told_once_and_workers_hear_its_signal():
    desk = Desk()
    assert desk.tell(("out", "one"), ("err", "two")) == 0
    assert desk.look(signal.SIGINT) == [("out", "one"), ("err", "two")]
    assert desk.tell(("answer", {})) == signal.SIGINT
    assert desk.look(0) == [("answer", {})]
    assert desk.look(0) == []


def test_lines_go_to_whoever_asked_whole_and_the_last_ones_as_well():
    told = []
    with contextlib.redirect_stderr(_Lines(told.append)) as stream:
        stream.write("a li")
        say("ne")
        say_at_once("at\tonce")
        stream.write("ne\nanother\nand more")
    assert told == ["at\\tonce", "a line", "another"]


def test_a_worker_that_is_alone_has_the_job_of_its_launcher_and_what_it_asks():
    stop = StopRequest()
    launch = Launch(0, 1, 0, 1, "nowhere", 0, job="night", stop=stop)
    with world_of(launch, 1.0) as world, stops_collected(request=world.stop) as request:
        assert (world.size, world.job, request.reason) == (1, "night", "")
        stop(signal.SIGTERM, None)
        assert request.reason == "SIGTERM"


def test_the_cluster_is_that_of_the_environment(monkeypatch):
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_TRAIN_V2_ENABLED", "RAY_TRAIN_ENABLE_PRINT_PATCH"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("RAY_NUM_REDIS_GET_RETRIES", "7")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert cluster_of_ray() == ""
    monkeypatch.setenv("RAY_ADDRESS", " head:6379 ")
    assert cluster_of_ray() == "head:6379"
