# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import platform
import signal
import socket
import time

import numpy as np
import pytest
import torch

from boxwright.errors import EXIT_TRY_AGAIN, EXIT_USER_INPUT, SettingError
from boxwright.system.distributed.hang_watch import LostError
from boxwright.system.distributed.launch_environment import Launch
from boxwright.system.distributed.process_group import world_of
from boxwright.system.distributed.world import World
from tests.support.ranks import ranks

pytestmark = [pytest.mark.slow, pytest.mark.loopback]

PATIENCE_S = 1.5


def talk(world: World) -> list:
    tensor = torch.full((3,), float(world.rank))
    world.send_([tensor], "weights")
    arrays = world.gather_arrays({"rows": np.full((world.rank, 2), world.rank)}, "validation")
    return [
        world.agree("stop of 1" if world.rank == 1 else "late" if world.rank == 2 else ""),
        world.agree(""),
        world.sum_(torch.tensor([1.0, world.rank])).tolist(),
        world.gather({"rank": world.rank}),
        world.broadcast(["é", world.rank]),
        tensor.tolist(),
        [each["rows"].tolist() for each in arrays],
    ]


def test_every_process_gets_the_same_answers():
    found = ranks(3, talk)
    assert [one.code for one in found] == [0, 0, 0], found
    answer = [
        "stop of 1",
        "",
        [3.0, 3.0],
        [{"rank": 0}, {"rank": 1}, {"rank": 2}],
        ["é", 0],
        [0.0, 0.0, 0.0],
        [[], [[1, 1]], [[2, 2], [2, 2]]],
    ]
    assert [one.answer for one in found] == [answer] * 3


def test_the_first_of_each_host_works_first_and_rank_0_alone(tmp_path):
    def work(world: World) -> list:
        seen = world.first_on_host(lambda: sorted(path.name for path in tmp_path.glob("scan*")), "scan")
        world.first_on_host((tmp_path / f"scan {world.rank}").touch, "writing")
        after = world.first_on_host(lambda: len(list(tmp_path.glob("scan*"))) > 0, "looking")
        return [seen, after, world.alone(lambda: "drawn", "pictures")]

    found = ranks(4, work, local_size=2)
    assert [one.answer[1:] for one in found] == [[True, "drawn"], *([[True, None]] * 3)], found


def until(seconds: float) -> None:
    """Work that takes time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_work_of_rank_0_may_take_longer_than_anybody_may_be_silent():
    def work(world: World) -> str:
        world.alone(lambda: until(2 * PATIENCE_S), "AutoAnchor")
        world.first_on_host(lambda: until(PATIENCE_S), "scan")
        world.after_rank_0(lambda: until(2 * PATIENCE_S) if world.is_main else None, "log")
        return world.agree("")

    found = ranks(2, work, patience_s=PATIENCE_S)
    assert [(one.code, one.answer) for one in found] == [(0, "")] * 2, found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("lost", [0, 1])
def test_a_rank_that_is_gone_or_frozen_ends_all_others_with_one_line_that_names_it(number, lost):
    def work(world: World) -> None:
        world.stage = "reading labels of 'val'"
        world.agree("", "meeting again")
        until(PATIENCE_S / 4)  # signs of life go their way
        if world.rank == lost:
            os.kill(os.getpid(), number)
        world.sum_(torch.ones(1), "gradients")

    def release(children: list[int]) -> None:
        for child in children[:lost] + children[lost + 1 :]:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        os.kill(children[lost], signal.SIGKILL)

    found = ranks(3, work, patience_s=PATIENCE_S, watch=release)
    others = [one for rank, one in enumerate(found) if rank != lost]
    assert [one.code for one in others] == [EXIT_TRY_AGAIN] * 2, found
    told = [line for one in others for line in (one.err + one.error).splitlines()]
    assert len(told) == 1, told
    assert f"rank {lost} on " in told[0]
    assert "last seen reading labels of 'val'" in told[0]


def test_rank_0_may_take_long_to_leave_after_a_decision_of_all_and_those_who_wait_for_it_end_with_its_code():
    def work(world: World) -> None:
        if not world.is_main:
            world.leave_after_rank_0(EXIT_TRY_AGAIN)
        world.leave_first()
        until(2.5 * PATIENCE_S)  # it closes its files
        raise LostError("the time is used up")

    found = ranks(2, work, patience_s=PATIENCE_S)
    assert [(one.code, one.error, one.err) for one in found] == [
        (EXIT_TRY_AGAIN, "the time is used up", ""),
        (EXIT_TRY_AGAIN, "", ""),
    ]


def test_a_port_that_somebody_else_has_is_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(SettingError, match=f"2 processes of this training did not meet at 127.0.0.1:{port}") as told,
            world_of(Launch(0, 2, 0, 2, "127.0.0.1", port), PATIENCE_S),
        ):
            pytest.fail("nobody is met")
    assert "\n" not in str(told.value)


def test_what_goes_wrong_on_another_host_is_told_by_rank_0_too():
    def work(world: World) -> None:
        if world.rank == 2:
            raise SettingError("data", "is not there", "Bring it")
        world.gather(1)

    found = ranks(3, work, patience_s=PATIENCE_S, local_size=2)
    assert [one.code for one in found] == [EXIT_USER_INPUT] * 3, found
    assert found[2].error == "data: is not there. Bring it"
    host = platform.node()
    told = [one.err for one in found[:2]]
    assert told == [f"error: rank 2 on {host}: data: is not there. Bring it\n", ""]


def test_a_mistake_of_one_rank_ends_all_and_is_told_once():
    def work(world: World) -> None:
        if world.rank == 1:
            raise SettingError("batch_size", "does not divide", "Give another")
        world.gather(1)

    found = ranks(3, work, patience_s=PATIENCE_S)
    assert [one.code for one in found] == [EXIT_USER_INPUT] * 3
    assert [one.error for one in found] == ["", "batch_size: does not divide. Give another", ""]


def test_who_lives_and_lets_all_others_wait_is_named():
    def work(world: World) -> None:
        if world.rank == 1:
            world.stage = "lost in thought"
            until(4 * PATIENCE_S)
        world.agree("", "step")

    found = ranks(2, work, patience_s=PATIENCE_S)
    assert found[0].code == EXIT_TRY_AGAIN
    assert "rank 1 on" in found[0].err, found
    assert "(step)" in found[0].err
    assert "lost in thought" in found[0].err
