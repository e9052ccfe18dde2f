# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from boxwright.system.distributed.peers import START_S, Peers, Sign


def sign(count: int, at: str = "at gradients", exchanges: int = 5) -> Sign:
    return Sign(count, "b", at, exchanges)


def test_who_gives_signs_is_not_silent_and_who_stops_is_after_the_bearable_time():
    peers = Peers(0, 3, 30.0, now=0.0)
    peers.note({1: sign(1), 2: sign(1)}, 10.0)
    peers.note({1: sign(2), 2: sign(1)}, 35.0)
    assert peers.silent(39.0) == []
    assert peers.silent(41.0) == [2]
    assert peers.about(2, 41.0) == "rank 2 on b has not answered for 31 s; it was last seen at gradients"


def test_who_has_not_begun_yet_gets_the_time_that_a_start_takes():
    peers = Peers(0, 2, 5.0, now=0.0)
    assert peers.silent(START_S - 1) == []
    assert peers.silent(START_S + 1) == [1]
    assert "none before" in peers.about(1, START_S + 1)


def test_who_lives_and_does_not_come_to_an_exchange_is_late():
    peers = Peers(0, 3, 30.0, now=0.0)
    peers.note({1: sign(1, exchanges=9), 2: sign(1, "reading labels of 'val'", exchanges=8)}, 1.0)
    assert peers.late(9, 2.0, fresh_s=5.0) == [2]
    assert peers.late(9, 7.0, fresh_s=5.0) == []  # it may be frozen
    told = peers.about_late(2, 31.0, "gradients")
    assert (
        told == "rank 2 on b lives and has kept the others waiting for 31 s (gradients); it is reading labels of 'val'"
    )


def test_the_first_of_those_who_are_left_tells_the_user():
    assert Peers(2, 4, 30.0, 0.0).reporter([0, 1]) == 2
    assert Peers(2, 4, 30.0, 0.0).reporter([3]) == 0


def test_a_sign_survives_its_way():
    assert Sign.decoded(sign(3, "é").encoded().encode()) == sign(3, "é")
