# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import time

import pytest
import torch

from boxwright.engine.saving import MAX_FAILURES, SaveInterval, Saving, SavingError, not_finite
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system import files
from boxwright.system.run_folder import RunFolder
from boxwright.system.tensors import (
    DamagedFileError,
    finish_rotation,
    is_whole,
    newest_whole,
    previous_of,
    read_tensors,
    rotate_and_write,
)
from boxwright.track.events import CheckpointSaved, Warned
from tests.support.kills import trapped_operations

DOCUMENTS = [{"model": {"weight": torch.full((64,), float(i))}, "number": i} for i in range(4)]
CHECKPOINTS = [Checkpoint(model=one["model"], epoch=one["number"]) for one in DOCUMENTS]


def saving(folder, interval=None, snapshot=lambda: CHECKPOINTS[0]):
    told = []
    return Saving(RunFolder(folder.parent), snapshot, interval or SaveInterval(), told.append), told


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
        finish_rotation(path)
        files.sweep_unfinished(folder)
        assert {file.name for file in folder.iterdir()} == {"last.pt", "last.previous.pt"}
        assert (read_tensors(path)["number"], read_tensors(previous_of(path))["number"]) in {(1, 0), (2, 1)}
    assert kills >= 8


def test_killed_at_any_operation_one_damaged_file_leaves_a_generation_to_go_on_from(folder):
    path, operation = folder / "last.pt", 1
    while True:
        for number in (0, 1):
            rotate_and_write(path, DOCUMENTS[number])
        if not killed_while_writing(path, DOCUMENTS[2], operation):
            break
        with path.open("r+b") as file:  # the bytes of every name that they have
            file.seek(200)
            file.write(b"damage")
        finish_rotation(path)
        assert newest_whole(path)[0]["number"] in {0, 1, 2}
        for file in folder.iterdir():
            file.unlink()
        operation += 1
    assert operation > 8


def test_without_links_two_generations_are_kept_as_well(folder, monkeypatch):
    def refused(*_names):
        raise PermissionError

    monkeypatch.setattr(os, "link", refused)
    for document in DOCUMENTS:
        rotate_and_write(folder / "last.pt", document)
    assert [read_tensors(path)["number"] for path in (folder / "last.pt", previous_of(folder / "last.pt"))] == [3, 2]


def test_last_pt_waits_for_a_best_that_could_not_be_written_which_is_written_as_it_was(folder):
    number = [0]
    keeper, told = saving(folder, snapshot=lambda: CHECKPOINTS[number[0]])
    (folder / "best.pt").mkdir()  # nothing can take its place
    keeper("best", 0)
    keeper("last", 0)
    assert not (folder / "last.pt").exists()
    assert [event.text.split(".")[0] for event in told] == ["best", "last"]
    with pytest.raises(SavingError, match=r"best\.pt: cannot be written"):
        keeper.require_saved()
    (folder / "best.pt").rmdir()
    number[0] = 1
    keeper("last", 1)
    keeper.require_saved()
    assert [read_tensors(folder / name)["epoch"] for name in ("best.pt", "last.pt")] == [0, 1]
    assert [(event.kind, event.epoch) for event in told if isinstance(event, CheckpointSaved)] == [
        ("best", 0),
        ("last", 1),
    ]


def test_of_two_bests_that_wait_the_later_one_is_written(folder):
    number = [0]
    keeper, _ = saving(folder, snapshot=lambda: CHECKPOINTS[number[0]])
    (folder / "best.pt").mkdir()
    keeper("best", 0)
    (folder / "best.pt").rmdir()
    number[0] = 1
    keeper("best", 1)
    assert read_tensors(folder / "best.pt")["epoch"] == 1


def test_nothing_is_written_by_who_may_not_any_more(folder):
    def refuse():
        raise SavingError("somebody else has the folder")

    keeper = Saving(RunFolder(folder.parent), lambda: CHECKPOINTS[0], SaveInterval(), [].append, refuse)
    with pytest.raises(SavingError, match="somebody else"):
        keeper("last", 0)
    assert not list(folder.iterdir())


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


def test_a_save_is_due_after_so_many_steps(folder):
    every_third, _ = saving(folder, SaveInterval(steps=3))
    assert [every_third.due() for _ in range(4)] == [False, False, True, True]
    every_third("last", 0)
    assert [every_third.due() for _ in range(3)] == [False, False, True]


def test_a_save_is_due_after_so_many_minutes(folder, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    timed, _ = saving(folder, SaveInterval(minutes=2))
    assert not timed.due()
    clock[0] += 120
    assert timed.due()
    timed("last", 0)
    assert not timed.due()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "ema"])
def test_what_is_not_finite_is_not_written(folder, part, bad):
    checkpoint = Checkpoint(model={"a.weight": torch.zeros(3)}, ema={"a.weight": torch.zeros(3)})
    assert not not_finite(checkpoint)
    getattr(checkpoint, part)["a.weight"][1] = bad
    keeper, told = saving(folder, snapshot=lambda: checkpoint)
    keeper("best", 0)
    assert not list(folder.iterdir())
    assert told == [
        Warned(f"best.pt was not saved, and there is none yet. a.weight of the {part} holds values that are not finite")
    ]


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
