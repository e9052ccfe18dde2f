# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from boxwright.errors import SettingError
from boxwright.system.distributed import meeting
from boxwright.system.distributed.meeting import meet

PATIENCE_S = 0.1


class Board:
    """A store in this process, as whoever comes finds it."""

    def __init__(self, **left: str) -> None:
        self.kept = {key.replace("_", "/"): value.encode() for key, value in left.items()}
        self.lock = threading.Lock()

    def set(self, key: str, value: str) -> None:
        with self.lock:
            self.kept[key] = value.encode()

    def get(self, key: str) -> bytes:
        with self.lock:
            return self.kept[key]

    def check(self, keys: list[str]) -> bool:
        with self.lock:
            return all(key in self.kept for key in keys)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Nobody is waited for long."""
    monkeypatch.setattr(meeting, "START_S", PATIENCE_S)
    monkeypatch.setattr(meeting, "LATER_S", PATIENCE_S)
    monkeypatch.setattr(meeting, "LOOK_S", 0.001)


def together(board: Board, size: int) -> list[str]:
    with ThreadPoolExecutor(size) as processes:
        return [one.result() for one in [processes.submit(meet, board, rank, size, 10.0) for rank in range(size)]]


def test_processes_agree_on_a_name_that_is_new_in_every_attempt_whatever_the_last_one_left(monkeypatch):
    monkeypatch.setattr(meeting, "START_S", 10.0)
    board = Board()
    names = [together(board, size) for size in (3, 3, 2, 3)]
    assert [len(set(each)) for each in names] == [1, 1, 1, 1]
    assert len({each[0] for each in names}) == 4


def test_the_offer_of_a_rank_0_that_is_gone_is_not_taken():
    board = Board(hello_0="gone", offer=json.dumps({"name": "old", "tokens": ["gone", "gone too"]}))
    board.set("begin/old", "1")
    with pytest.raises(SettingError, match="rank 0 of this training did not come"):
        meet(board, 1, 2, PATIENCE_S)


def test_a_process_that_does_not_come_is_named_by_rank_0_and_its_old_token_does_not_stand_for_it():
    for board, missing in (
        (Board(), "1, 2"),
        (Board(hello_1="gone", hello_2="gone"), "1, 2"),
        (Board(hello_2="x"), "1"),
    ):
        with pytest.raises(SettingError, match=f"rank {missing} of this training did not come") as refused:
            meet(board, 0, 3, PATIENCE_S)
        assert refused.value.is_to_tell


class TakenOver(Board):
    """Somebody else comes as the same rank."""

    def set(self, key: str, value: str) -> None:
        super().set(key, "another" if key == "hello/1" else value)


def test_who_is_not_the_only_one_of_its_rank_is_told_so():
    with pytest.raises(SettingError, match="another process has come as rank 1"):
        meet(TakenOver(), 1, 2, PATIENCE_S)
