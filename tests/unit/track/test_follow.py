# SPDX-License-Identifier: Apache-2.0
"""A log is read as it grows: each whole line once, whatever is done to the file meanwhile."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boxwright.errors import DataError
from boxwright.system.files import append_line
from boxwright.track import follow
from boxwright.track.follow import LogFollower
from boxwright.track.sinks.json_lines import mend

LOG = Path("events.jsonl")


def new(log: LogFollower) -> list[int]:
    """The numbers that whole new lines hold; -1 for a line that is none."""

    def number(line: bytes) -> int:
        try:
            return int(json.loads(line)["n"])
        except ValueError:
            return -1

    return [number(line) for line in log.new_lines()]


def add(*numbers: int) -> None:
    for number in numbers:
        append_line(LOG, json.dumps({"n": number}))


def test_every_line_comes_once_and_only_when_it_is_whole():
    log = LogFollower(LOG)
    assert new(log) == []  # there is no log yet
    add(0, 1)
    assert new(log) == [0, 1]
    assert new(log) == []
    with LOG.open("ab") as file:
        file.write(b'{"n"')
    assert new(log) == []
    with LOG.open("ab") as file:
        file.write(b': 2}\n{"n": 3}\n{"n": 4')
    assert new(log) == [2, 3]
    add(5)
    assert new(log) == [-1, 5]


def test_lines_that_are_longer_than_what_is_read_at_once_come_whole(monkeypatch):
    monkeypatch.setattr(follow, "PIECE", 7)
    log = LogFollower(LOG)
    add(*range(100_000, 100_020))
    assert new(log) == list(range(100_000, 100_020))
    monkeypatch.setattr(follow, "LONGEST_LINE", 50)
    with LOG.open("ab") as file:
        file.write(b"\0" * 200)
    assert new(log) == []
    add(7)
    assert new(log)[-1] == 7


@pytest.mark.parametrize("seen", [True, False])
def test_a_log_that_is_cut_back_to_its_whole_lines_goes_on_where_it_was(seen):
    log = LogFollower(LOG)
    add(*range(20))
    with LOG.open("ab") as file:
        file.write(b'{"n": 99')
    assert new(log) == list(range(20))
    if seen:
        add(20)  # behind the torn line, which is seen as one
        assert new(log) == [-1, 20]
    assert mend(LOG)
    add(21, 22)
    assert new(log) == [21, 22]
    assert log.begun == 0


def test_another_log_of_the_name_is_read_from_its_beginning():
    log = LogFollower(LOG)
    add(1, 2, 3)
    assert new(log) == [1, 2, 3]
    LOG.unlink()
    assert new(log) == []  # and until one is there again nothing is new
    add(4)
    assert (new(log), log.begun) == ([4], 1)
    LOG.write_text('{"n": 5}\n')
    os.truncate(LOG, 0)
    assert new(log) == []
    add(6)
    assert new(log) == [6]


def test_of_a_large_log_only_what_is_new_is_read():
    def read_by_this_process() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    with LOG.open("w") as file:
        file.writelines(f'{{"n": {number}, "more": "{"x" * 200}"}}\n' for number in range(10_000))
    log, tail = LogFollower(LOG), LogFollower(LOG, tail_bytes=1000)
    assert len(new(log)) == 10_000
    assert new(tail)[-1] == 9999
    before = read_by_this_process()
    for number in range(50):
        add(number)
        assert new(log) == [number]
    assert read_by_this_process() - before < 100_000  # of 2.3 MB, 50 times


def test_a_log_that_is_no_file_is_one_line():
    LOG.mkdir()
    with pytest.raises(DataError, match=r"events\.jsonl: cannot be read \(is a directory\)\. \w"):
        new(LogFollower(LOG))
