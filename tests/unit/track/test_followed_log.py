# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from boxwright.system.run_folder import RunFile
from boxwright.track.events import EpochEnded
from boxwright.track.followed_log import FollowedLog, begin_of_run, without_taken_back
from boxwright.track.sinks.json_lines import mend
from tests.support.told_runs import ended, epoch_of_it, started, told


def numbers(entries) -> list[int]:
    return [entry.number for entry in entries]


def test_a_line_is_read_when_it_is_whole(tmp_path):
    run = told(tmp_path, started(), ended(0))
    log = FollowedLog(run / RunFile.EVENTS)
    assert numbers(log.after(0)) == [0, 1]
    assert log.after(2) == []
    whole = (run / RunFile.EVENTS).read_bytes()
    (run / RunFile.EVENTS).write_bytes(whole + b'{"event": "EpochEn')
    assert log.after(2) == []
    told(tmp_path, ended(1))  # the torn line stays one of its own
    assert [(entry.number, entry.event.epoch) for entry in log.after(2)] == [(2, 1)]


def test_a_log_that_is_cut_back_to_its_whole_lines_counts_as_before(tmp_path):
    run = told(tmp_path, started(), ended(0))
    path = run / RunFile.EVENTS
    path.write_bytes(b"\xff torn\n" + path.read_bytes())
    log = FollowedLog(path)
    assert numbers(log.after(0)) == [0, 1]
    assert "1 line was not whole" in mend(path)
    told(tmp_path, ended(1))
    assert numbers(log.after(2)) == [2]
    assert numbers(FollowedLog(path).after(1)) == [1, 2]


def test_no_file_has_no_lines(tmp_path):
    assert FollowedLog(tmp_path / "none").after(0) == []
    assert begin_of_run(tmp_path / "none") == 0


def test_a_run_begins_with_its_last_start_from_the_first_epoch(tmp_path):
    run = told(tmp_path, started(), ended(0), started(), ended(0), ended(1), started(1), ended(1))
    assert begin_of_run(run / RunFile.EVENTS) == 2
    assert begin_of_run(told(tmp_path / "legacy", started(4), ended(4)) / RunFile.EVENTS) == 0


def test_epochs_that_a_later_start_takes_back_are_left_out(tmp_path):
    run = told(tmp_path, started(), *epoch_of_it(0), *epoch_of_it(1), started(1), *epoch_of_it(1))
    kept = without_taken_back(FollowedLog(run / RunFile.EVENTS).after(0))
    assert numbers(kept) == list(range(11))
    assert [(one.number, one.event.epoch) for one in kept if isinstance(one.event, EpochEnded)] == [(2, 0), (9, 1)]
