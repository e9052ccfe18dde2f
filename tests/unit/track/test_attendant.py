# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import threading

from boxwright.track.attendant import Attendant, Bounds

QUICK = Bounds(slack=0.0, failing=0.0, working=0.0, interrupted=0.0)


class Scripted:
    """A process that says these lines; behind them it ends, or is silent for ever."""

    def __init__(self, *lines: dict, silent: bool = False) -> None:
        self.lines = [json.dumps(line) for line in lines]
        self.silent, self.got, self.was_ended = silent, [], threading.Event()

    def heard(self, seconds):
        assert seconds > 0
        if self.lines:
            return self.lines.pop(0)
        if self.silent:
            self.was_ended.wait(0.001)
            return ""
        return None

    def say(self, line):
        self.got.append(line)

    def end(self):
        self.was_ended.set()


def attended(*processes: Scripted, behind: int = 0, bounds: Bounds | None = None, end: str = "finished"):
    """What was said; the processes are started one behind the other."""
    said: list[tuple[str, bool]] = []
    waiting = list(processes)
    attendant = Attendant(
        "mlflow", lambda: waiting.pop(0), lambda *told: said.append(told), lambda: behind, "push it", bounds
    )
    attendant.begin()
    attendant.finish(end)
    attendant.close()
    assert all(process.was_ended.is_set() for process in processes[: len(processes) - len(waiting)])
    return said


def test_the_user_is_told_where_the_run_is_and_nothing_else_when_all_goes_well():
    process = Scripted(
        {"doing": "opening", "within": 9}, {"open": "http://x/1"}, {"at": 3}, {"open": "http://x/1"}, {"done": []}
    )
    assert attended(process) == [("mlflow: http://x/1", False)]


def test_trouble_is_told_once_and_what_did_not_arrive_at_the_end():
    failing = {"failing": "refused"}
    said = attended(Scripted(failing, failing, failing, silent=True), behind=7, bounds=QUICK)
    assert said == [
        ("mlflow does not answer (refused); the training goes on, and it is tried again", True),
        ("mlflow: 7 events did not arrive (refused); later on: push it", True),
    ]


def test_trouble_that_passed_is_told_as_such():
    said = attended(Scripted({"failing": "refused"}, {"at": 1}, {"done": ["look there"]}))
    assert [text for text, _ in said[1:]] == ["mlflow: everything has arrived after all", "mlflow: look there"]


def test_a_process_that_hangs_in_a_call_is_ended_and_started_anew():
    hanging = Scripted({"doing": "numbers", "within": 0}, silent=True)
    bounds = Bounds(slack=0.0)
    said = attended(hanging, Scripted({"open": "http://x/1"}, {"done": []}), bounds=bounds)
    assert said[0][0].startswith("mlflow does not answer (no answer for 0 s: numbers)")
    assert said[-1] == ("mlflow: everything has arrived after all", False)


def test_a_process_that_ends_by_itself_is_started_anew():
    said = attended(Scripted({"open": "http://x/1"}), Scripted({"done": []}))
    assert said[1][0].startswith("mlflow does not answer (its process ended by itself)")


def test_a_process_that_cannot_be_started_is_told_and_ends_nothing():
    said: list[tuple[str, bool]] = []

    def start():
        raise FileNotFoundError(2, "No such file or directory")

    attendant = Attendant("mlflow", start, lambda *told: said.append(told), lambda: 3, "push it", QUICK)
    attendant.begin()
    attendant.finish("finished")
    attendant.close()
    assert said[0][0].startswith("mlflow does not answer (its process cannot be started: No such file")
    assert said[1][0].startswith("mlflow: 3 events did not arrive")


def test_a_run_that_goes_on_another_time_waits_for_no_tracker_longer_than_for_one_that_does_not_answer():
    working = Scripted({"open": "http://x/1"}, {"doing": "best.pt", "within": 999}, silent=True)
    said = attended(working, behind=1, bounds=Bounds(working=999.0, interrupted=0.0), end="stopped")
    assert said[-1] == ("mlflow: 1 event did not arrive (no answer: best.pt); later on: push it", True)


def test_what_a_library_prints_between_the_lines_does_no_harm():
    process = Scripted({"done": []})
    process.lines.insert(0, "\x1b[31mWelcome!")
    assert attended(process) == []
