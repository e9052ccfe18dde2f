# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import time

import pytest
import torch

from boxwright.system import files
from boxwright.system.tensors import DamagedFileError, is_whole, newest_whole, previous_of, read_tensors, rotate_and_write
from boxwright.track.events import CheckpointSaved, Warned
from boxwright.train.saving import MAX_FAILURES, Pace, Saving, SavingError, not_finite
from tests.support.kills import trapped_operations

DOCUMENTS = [{"model": {"weight": torch.full((64,), float(i))}, "ema": {}, "number": i} for i in range(4)]


def saving(folder, pace=None, document=lambda: DOCUMENTS[0]):
    told = []
    return Saving(folder, document, pace or Pace(), told.append), told


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "weights").mkdir()
    return tmp_path / "weights"


def killed_while_writing(path, document, operation: int) -> bool:
    """Write in a child that kills itself before this operation on files; whether it got so far."""
    child = os.fork()
    if child == 0:
        trapped_operations(operation)
        rotate_and_write(path, document)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_killed_at_any_operation_there_is_the_old_file_or_the_new_one_and_a_whole_one_before_it(folder):
    path = folder / "last.pt"
    operation, kills = 1, 0
    while True:
        for number in (0, 1):
            rotate_and_write(path, DOCUMENTS[number])
        if not killed_while_writing(path, DOCUMENTS[2], operation):
            break
        kills += 1
        operation += 1
        found = read_tensors(path)["number"]
        before = read_tensors(previous_of(path))["number"]
        assert (found, before) in {(1, 0), (1, 1), (2, 1)}
        files.sweep_unfinished(folder)
        assert {file.name for file in folder.iterdir()} == {"last.pt", "last.previous.pt"}
    assert kills >= 8


def test_a_damaged_file_is_never_kept_in_place_of_the_good_one_before_it(tmp_path):
    path = tmp_path / "last.pt"
    for document in DOCUMENTS[:2]:
        rotate_and_write(path, document)
    path.write_bytes(path.read_bytes()[:-40])
    rotate_and_write(path, DOCUMENTS[2])
    assert read_tensors(path)["number"] == 2
    assert read_tensors(previous_of(path))["number"] == 0


def test_every_cut_and_every_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "last.pt"
    for document in DOCUMENTS[:2]:
        rotate_and_write(path, document)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        assert not is_whole(path)
    for bit in range(0, 8 * len(content), 61):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        path.write_bytes(changed)
        try:
            found = read_tensors(path)
        except DamagedFileError:
            assert newest_whole(path)[0]["number"] == 0
        else:  # the bit lies in the spacing of the header, which says nothing
            assert torch.equal(found["model"]["weight"], DOCUMENTS[1]["model"]["weight"])


def test_a_save_is_due_after_so_many_steps(tmp_path):
    every_third, _ = saving(tmp_path, Pace(steps=3))
    assert [every_third.due() for _ in range(4)] == [False, False, True, True]
    every_third("last", 0)
    assert [every_third.due() for _ in range(3)] == [False, False, True]


def test_a_save_is_due_after_so_many_minutes(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    timed, _ = saving(tmp_path, Pace(minutes=2))
    assert not timed.due()
    clock[0] += 120
    assert timed.due()
    timed("last", 0)
    assert not timed.due()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "ema"])
def test_what_is_not_finite_is_not_written(folder, part, bad):
    document = {"model": {"a.weight": torch.zeros(3)}, "ema": {"a.weight": torch.zeros(3)}}
    assert not not_finite(document)
    document[part]["a.weight"][1] = bad
    keeper, told = saving(folder, document=lambda: document)
    keeper("best", 0)
    assert not list(folder.iterdir())
    assert told == [Warned(f"best.pt was not saved, and there is none yet. a.weight of the {part} holds values that are not finite")]


def test_failures_are_told_counted_and_end_the_run_when_they_do_not_end(tmp_path):
    keeper, told = saving(tmp_path / "gone")
    for _ in range(MAX_FAILURES - 1):
        keeper("last", 0)
    assert all("the folder is gone" in event.text.lower() for event in told)
    with pytest.raises(SavingError, match="3 saves in a row failed") as failed:
        keeper("last", 0)
    assert failed.value.exit_code == 75


def test_one_good_save_makes_up_for_failures_before_it(tmp_path):
    folder = tmp_path / "weights"
    keeper, told = saving(folder)
    keeper("last", 0)
    with pytest.raises(SavingError, match="the end of the run could not be saved"):
        keeper.require_saved()
    folder.mkdir()
    keeper("last", 1)
    keeper.require_saved()
    assert isinstance(told[-1], CheckpointSaved)
