# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Any

import pytest

from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import Ended, EpochEnded, Event
from boxwright.track.follower import TRIES, Follower
from boxwright.track.sinks.event_log import EventLog
from boxwright.track.tracker_state import STATE, events_behind, read_state
from tests.support.recording_service import Recording
from tests.support.told_runs import done, end, ended, epoch_of_it, started, told, validated, whole

NAME = "recording"


class KilledError(BaseException):
    """The process ends here, as by a signal that cannot be caught."""


class Killing(Recording):
    """Ends the process in its nth numbers: before they are written down, or just behind it."""

    at, behind = 0, False

    def numbers(self, values, step, time_s):
        dies = len(self.steps()) == self.at and "train/box_loss" in values
        if dies and not self.behind:
            raise KilledError
        super().numbers(values, step, time_s)
        if dies:
            raise KilledError


def followed(run: RunFolder, service: Recording, *, again: bool = False, pauses: int = 40, at_pause=None):
    """Follow a log that has ended; what was told. `at_pause` is called with the number of each pause."""
    said: list[dict[str, Any]] = []
    count = 0

    def pause(_seconds: float) -> None:
        nonlocal count
        count += 1
        if at_pause is not None:
            at_pause(count)
        assert count < pauses, "it never ends"

    follower = Follower(run, NAME, lambda: service, said.append, lambda: "finished", pause)
    said.append({"done": follower.follow(again=again)})
    return said


def names(service: Recording) -> list[str]:
    return [call[0] for call in service.calls]


@pytest.fixture
def service(tmp_path) -> Recording:
    return Recording(tmp_path / "service")


def test_everything_that_a_run_tells_arrives_once_in_its_order(tmp_path, service):
    run = done(told(tmp_path / "exp", *whole()))
    said = followed(run, service)
    epoch = ["table", "numbers", "numbers", "boxes"]
    end_of_it = ["file", "table", "numbers", *["file"] * 4, "close"]
    assert names(service) == ["open", "config", "table", "picture", *epoch * 3, *end_of_it]
    assert service.steps() == [0, 1, 2]
    assert service.calls[-1] == ["close", "finished"]
    assert events_behind(run, NAME) == 0
    assert said[-1] == {"done": [f"look into {service.place}"]}


def test_the_files_of_a_run_have_their_aliases(tmp_path, service):
    run = done(told(tmp_path / "exp", *whole()))
    (run / RunFile.SETTINGS).write_text("settings: {artifact_alias: mine, epochs: 3}\n")
    followed(run, service)
    files = {call[1]: (call[2], call[3], call[4]) for call in service.calls if call[0] == "file"}
    assert files["epoch1.pt"] == ("model", ["epoch 1", "latest"], 1)
    assert files["best.pt"] == ("model", ["best", "latest", "mine"], 2)
    assert files["last.pt"] == ("model", ["last"], 3)
    assert files["report.html"] == ("record", [], 13)
    assert not (run.tracker(NAME) / "sending").exists()


def test_numbers_carry_the_time_of_their_event_and_the_names_of_the_results_table(tmp_path, service):
    run = told(tmp_path / "exp", started(), ended(0, **{"metrics/mAP_0.5": 0.75, "coco/AP": -1.0}))
    followed(run, service)
    _, values, step, time_s = next(call for call in service.calls if call[0] == "numbers")
    line = (run / RunFile.EVENTS).read_text().splitlines()[2]
    assert (values["metrics/mAP_0.5"], step) == (0.75, 0)
    assert "coco/AP" not in values  # there was nothing to measure
    assert f'"time": {time_s}' in line


@pytest.mark.parametrize("fails", ["dead", "refuses"])
def test_a_service_that_comes_back_gets_what_waited_for_it_and_nothing_twice(tmp_path, service, fails):
    run = told(tmp_path / "exp", *whole())
    (service.place / fails).write_text("open")

    def back(count: int) -> None:
        if count == 9:
            (service.place / fails).unlink()

    said = followed(run, service, at_pause=back)
    assert service.steps() == [0, 1, 2]
    assert sum("failing" in one for one in said) == 9
    assert events_behind(run, NAME) == 0


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_process_that_is_killed_around_a_call_leaves_no_step_out_and_sends_none_twice(tmp_path, at, behind):
    run = told(tmp_path / "exp", *whole())
    service = Killing(tmp_path / "service")
    service.at, service.behind = at, behind
    with pytest.raises(KilledError):
        followed(run, service)
    assert read_state(run.tracker(NAME)).sending >= 0
    followed(run, Recording(service.place))
    assert service.steps() == [0, 1, 2]
    keys = [call[1] for call in service.calls if call[0] == "open"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_an_epoch_that_a_resumed_run_trains_again_is_not_sent_again(tmp_path, service):
    run = told(tmp_path / "exp", started(), *epoch_of_it(0), *epoch_of_it(1))
    followed(run, service)
    told(run.path, started(1), *epoch_of_it(1), *epoch_of_it(2), end())
    followed(run, service)
    assert service.steps() == [0, 1, 2]
    assert [call[2] for call in service.calls if call[0] == "open"] == ["", f"id-{service.calls[0][1]}"]


def test_of_an_epoch_that_was_taken_back_before_it_was_sent_the_later_numbers_are_sent(tmp_path, service):
    again = ended(1, **{"metrics/recall": 0.25})
    run = told(tmp_path / "exp", started(), ended(0), ended(1), started(1), again, ended(2), end())
    followed(run, service)
    assert service.steps() == [0, 1, 2]
    assert [call[1]["metrics/recall"] for call in service.calls if call[0] == "numbers"] == [0.5, 0.25, 0.5]


def test_what_a_service_takes_in_no_way_is_left_out_counted_and_sent_when_asked_for_again(tmp_path, service):
    run = told(tmp_path / "exp", *whole())
    (service.place / "refuses").write_text("boxes")
    followed(run, service)
    assert service.steps() == [0, 1, 2]
    assert names(service).count("boxes") == 0
    assert events_behind(run, NAME) == 3
    assert names(service).count("open") == 1 + 3 * TRIES
    (service.place / "refuses").unlink()
    followed(run, service, again=True)
    assert names(service).count("boxes") == 3
    assert service.steps() == [0, 1, 2]
    assert events_behind(run, NAME) == 0


def test_a_disk_that_is_full_does_not_keep_events_back_and_is_told_once(tmp_path, service):
    run = told(tmp_path / "exp", *whole())
    (run.tracker(NAME) / STATE / "in the way").mkdir(parents=True)  # so that it cannot be written
    said = followed(run, service)
    assert service.steps() == [0, 1, 2]
    assert sum("failing" in one for one in said) == 1


def test_a_file_that_is_made_anew_by_each_process_gets_everything(tmp_path):
    run = told(tmp_path / "exp", *whole())
    service = Killing(tmp_path / "first", anew=True)
    service.at = 1
    with pytest.raises(KilledError):
        followed(run, service)
    other = Recording(tmp_path / "second", anew=True)
    followed(run, other)
    assert (service.steps(), other.steps()) == ([0], [0, 1, 2])


def test_what_a_library_lost_with_its_process_is_sent_again_as_far_as_the_service_says(tmp_path, service):
    """Libraries take events into a queue of their own."""
    run = told(tmp_path / "exp", started(), *epoch_of_it(0), *epoch_of_it(1), *epoch_of_it(2))
    followed(run, Recording(tmp_path / "lost"))
    first = Recording(service.place)
    first.numbers({"train/box_loss": 0.5}, 0, 1.0)  # the only one that got through
    followed(run, service)
    assert service.steps() == [0, 1, 2]


@pytest.mark.parametrize(
    ("how", "word"), [(Ended.DONE, "finished"), (Ended.STOPPED, "stopped"), (Ended.FAILED, "failed")]
)
def test_the_service_is_told_how_a_run_ended(tmp_path, service, how, word):
    followed(told(tmp_path / "exp", started(), end(how)), service)
    assert service.calls[-1] == ["close", word]


def test_a_run_that_nobody_ended_is_closed_as_stopped_and_its_weights_stay_here(tmp_path, service):
    run = done(told(tmp_path / "exp", started(), *epoch_of_it(0)))
    (run / RunFile.DONE).unlink()
    followed(run, service)
    assert service.calls[-1] == ["close", "stopped"]
    assert "file" not in names(service)


def test_a_run_in_the_folder_of_another_one_begins_with_itself(tmp_path, service):
    before: list[Event] = [started(), ended(0), ended(1), end()]
    run = told(tmp_path / "exp", *before, started(), ended(0, **{"metrics/recall": 0.25}))
    followed(run, service)
    assert [call[1]["metrics/recall"] for call in service.calls if call[0] == "numbers"] == [0.25]


def test_lines_that_are_torn_or_of_unknown_kinds_are_passed_over(tmp_path, service):
    run = told(tmp_path / "exp", started())
    with (run / RunFile.EVENTS).open("ab") as file:
        file.write(b'{"event": "Epoch\n\xff\n[1]\n{"event": "Unknown"}\n{"event": "EpochEnded", "epoch": -3}\n')
    told(run.path, ended(0), validated(None), end())
    followed(run, service)
    assert service.steps() == [0]


def test_a_log_is_followed_while_it_grows(tmp_path, service):
    run = told(tmp_path / "exp", started())
    log, said, epochs = EventLog(run / RunFile.EVENTS), [], iter(range(3))

    def pause(_seconds: float) -> None:
        if (epoch := next(epochs, None)) is not None:
            log.handle(ended(epoch))
            assert service.steps() == list(range(epoch))

    def asked() -> str:
        return "finished" if len(service.steps()) == 3 else ""

    Follower(run, NAME, lambda: service, said.append, asked, pause).follow()
    assert service.steps() == [0, 1, 2]
    assert EpochEnded.__name__ in read_state(run.tracker(NAME)).steps


def test_the_state_is_a_file_in_the_run_folder(tmp_path, service):
    run = told(tmp_path / "exp", *whole())
    followed(run, service)
    state = read_state(run.tracker(NAME))
    assert (state.id, state.closed, state.steps["EpochEnded"]) == (f"id-{state.key}", "finished", 2)
    assert state.place == f"recorded in {service.place}"
