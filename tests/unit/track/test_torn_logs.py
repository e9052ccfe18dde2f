# SPDX-License-Identifier: Apache-2.0
"""Every file that a run reads again, torn in every way that a full disk, a kill or a loss of power tears files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boxwright.errors import DataError
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import (
    RESULT_KEYS,
    ClassResult,
    EpochEnded,
    LabelsCounted,
    Pictured,
    RunStarted,
    StepLogged,
    Validated,
)
from boxwright.track.sinks.class_table import ClassTable, cut_classes
from boxwright.track.sinks.event_log import EventLog, read_log
from boxwright.track.sinks.json_lines import mend, read_lines
from boxwright.track.sinks.results_table import CsvTable, TextTable, about_text, past_rows, read
from boxwright.track.sinks.tensorboard import TensorBoard

# Each makes of whole lines what may be left of them; with how many lines are whole, and whether something is left that
# is none.
TEARS = {
    "whole": (b"".join, 3, False),
    "half a line at the end": (lambda lines: b"".join(lines)[:-25], 2, True),
    "no line feed at the end": (lambda lines: b"".join(lines)[:-1], 3, False),
    "zeros at the end": (lambda lines: b"".join(lines) + b"\0" * 300, 3, True),
    "zeros in the middle": (lambda lines: lines[0] + b"\0" * 300 + b"\n" + lines[1] + lines[2], 3, True),
    "zeros in place of a line": (lambda lines: lines[0] + b"\0" * len(lines[1]) + lines[2], 1, True),
    "garbage in the middle": (lambda lines: lines[0] + b'\xff\xfe{"\n' + lines[1] + lines[2], 3, True),
    "a torn line before a whole one": (lambda lines: lines[0] + lines[1][:30] + b"\n" + lines[2], 2, True),
    "zeros alone": (lambda _lines: b"\0" * 300, 0, True),
    "nothing": (lambda _lines: b"", 0, False),
    "brackets without end": (lambda lines: b"".join(lines) + b"[" * 100_000 + b"\n", 3, True),
    "a number of 5,000 digits": (lambda lines: b"".join(lines) + b"1" * 5000 + b"\n", 3, True),
}
TEAR = pytest.mark.parametrize("tear", TEARS)


def torn(path: Path, tear: str) -> tuple[int, bool]:
    change, whole, says = TEARS[tear]
    path.write_bytes(change(path.read_bytes().splitlines(keepends=True)))
    return whole, says


def ended(epoch: int) -> EpochEnded:
    return EpochEnded(
        epoch, 3, {key: 0.1 * number + epoch for number, key in enumerate(RESULT_KEYS)}, 0.5, 0.5, epoch, 0.0, 1.0
    )


def validated(epoch: int) -> Validated:
    classes = (ClassResult("a cat", 1, 2, 0.1, 0.2, 0.3, 0.4 + epoch),)
    return Validated(epoch, 1, 2, 0.1, 0.2, 0.3, 0.4, 0.5, classes, {"forward": 1.0})


def step(epoch: int) -> StepLogged:
    return StepLogged(epoch, 3, 7, 8, (0.1, 0.2, 0.3), 4, 64, 2_000_000_000, 1.0)


@TEAR
def test_the_event_log_is_cut_back_to_its_whole_lines_and_says_so_in_one(tear):
    log = EventLog(path := Path("events.jsonl"))
    for epoch in range(3):
        log.handle(ended(epoch))
    path.write_bytes(path.read_bytes().split(b"\n", 1)[1])  # without the line that names the format
    whole, says = torn(path, tear)
    assert bool(mend(path)) == says
    assert len(read_log(path).epochs) == whole
    assert read_log(path).torn == 0
    assert mend(path) == ""
    log.handle(ended(3))
    assert len(read_log(path).epochs) == whole + 1


@TEAR
def test_the_class_table_is_cut_back_and_what_it_lost_comes_from_the_validations_that_are_known(tear):
    table = ClassTable(path := Path("classes.jsonl"))
    for epoch in range(3):
        table.handle(validated(epoch))
    before = path.read_bytes()
    whole, says = torn(path, tear)
    lines = path.read_bytes()
    assert bool(cut_classes(path, 3)) == says
    kept = path.read_bytes().splitlines(keepends=True)
    assert len(kept) == whole
    assert set(kept) <= set(before.splitlines(keepends=True))
    path.write_bytes(lines)
    cut_classes(path, 3, [validated(epoch) for epoch in range(3)])
    assert path.read_bytes() == before
    cut_classes(path, 2)
    assert path.read_bytes().splitlines() == before.splitlines()[:2]


@TEAR
def test_the_table_of_2020_goes_on_behind_its_whole_rows_and_the_others_are_made_anew(tear):
    table = TextTable(path := Path("results.txt"))
    for epoch in range(3):
        table.handle(step(epoch))
        table.handle(ended(epoch))
    before = path.read_bytes()
    whole, says = torn(path, tear)
    assert len(past_rows(path)) == whole
    assert bool(about_text(path)) == says
    TextTable(path, [ended(epoch) for epoch in range(3)], {epoch: step(epoch) for epoch in range(3)})
    assert path.read_bytes() == before


@TEAR
def test_whole_rows_of_the_results_are_read_and_others_passed_over(tear):
    table = CsvTable(path := Path("results.csv"))
    for epoch in range(2):
        table.handle(ended(epoch))
    before = read(path)
    whole, _ = torn(path, tear)
    found = read(path)
    if whole:
        assert found.keys() == before.keys()
    rows = list(zip(*found.values(), strict=True))
    assert set(rows) <= set(zip(*before.values(), strict=True))
    CsvTable(path, [ended(0), ended(1)])
    assert read(path) == before


def test_events_come_back_from_the_log_as_they_were_told():
    events = [
        RunStarted("a", ("b",), 0, 2, {"x": [1]}),
        LabelsCounted((1, 2)),
        step(0),
        validated(0),
        ended(0),
        Pictured("p.png", "t", (1, 2)),
    ]
    log = EventLog(path := Path("events.jsonl"))
    for event in events:
        log.handle(event)
    found = read_log(path)
    assert (found.labels, found.settings, found.torn) == (events[1], {"x": [1]}, 0)
    assert (found.steps, found.validations, found.epochs, found.pictures) == (
        {0: events[2]},
        [events[3]],
        [events[4]],
        [(0, events[5])],
    )


VALUES = (None, "x", -1, 1.5, True, [], [1], {}, {"a": "b"}, 10**400, float("nan"), "\udcff", [[[]]])


@pytest.mark.parametrize(
    "event",
    [
        RunStarted("a", ("b",), 0, 2, {}),
        LabelsCounted((1, 2)),
        step(0),
        validated(0),
        ended(0),
        Pictured("p", "t", (1, 2)),
    ],
)
def test_a_line_with_one_value_of_another_kind_is_passed_over_or_makes_sense(event):
    whole = {"time": 1.0, **event.record()}
    for key in whole:
        for value in VALUES:
            Path("events.jsonl").write_text(json.dumps({**whole, key: value}) + "\n")
            found = read_log(Path("events.jsonl"))
            assert all(type(row.epoch) is int and isinstance(row.results, dict) for row in found.epochs)
            assert all(type(one.epoch) is int or one.epoch is None for one in found.validations)
            assert all(len(picture.size_hw) == 2 for _, picture in found.pictures)


@pytest.mark.parametrize(
    "content", [b"", b'{"a', b"\0" * 100, b"{}", b"[]", b"null", b'{"reason": 1, "epochs": 2}', b"[" * 100_000, b"\xff"]
)
def test_a_record_that_is_none_does_not_say_that_a_run_is_done(content):
    Path(RunFile.DONE).write_bytes(content)
    assert RunFolder(Path()).done() is None


def test_a_whole_record_says_that_a_run_is_done():
    Path(RunFile.DONE).write_text(
        json.dumps({"reason": "done", "epochs": 2, "hours": 0.1, "best_epoch": 1, "best_fitness": 0.5, "results": {}})
    )
    assert RunFolder(Path()).done()["best_epoch"] == 1


def test_a_log_larger_than_any_is_one_line_and_is_not_read(tmp_path):
    (tmp_path / "events.jsonl").write_bytes(b"{}\n")
    os.truncate(tmp_path / "events.jsonl", 20 << 30)  # a sparse file, which takes no room on a disk
    with pytest.raises(DataError, match=r"events\.jsonl: cannot be read \(larger than 1 gib\)\. \w"):
        read_lines(tmp_path / "events.jsonl")


def test_a_picture_that_leads_to_a_file_without_end_is_left_out_of_the_event_file(tmp_path):
    (tmp_path / "labels.jpg").write_bytes(b"")
    os.truncate(tmp_path / "labels.jpg", 20 << 30)
    board = TensorBoard(tmp_path)
    board.handle(Pictured(str(tmp_path / "labels.jpg"), "labels", (4, 4)))
    board.close()
    assert [path.stat().st_size < 1000 for path in tmp_path.glob("events.out.tfevents.*")] == [True]
