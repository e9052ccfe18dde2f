# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from boxwright.track.events import Event, Told, Warned
from boxwright.track.log import TextLog
from boxwright.track.tracker import Tracker


class Listening:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.closed = False

    def handle(self, event: Event) -> None:
        self.heard.append(event.text)

    def close(self) -> None:
        self.closed = True


class Failing(Listening):
    """Fails at its nth event, and at every later one."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def handle(self, event: Event) -> None:
        super().handle(event)
        if len(self.heard) >= self.at:
            raise OSError("the line\nis dead")


def test_every_sink_hears_every_event_in_order():
    sinks = [Listening(), Listening()]
    tracker = Tracker(list(sinks))
    for text in "abc":
        tracker.tell(Told(text))
    tracker.close()
    assert [sink.heard for sink in sinks] == [["a", "b", "c"]] * 2
    assert all(sink.closed for sink in sinks)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_sink_that_fails_is_reported_once_and_the_others_go_on(place):
    first, second, failing = Listening(), Listening(), Failing(at=2)
    sinks = [first, second]
    sinks.insert(place, failing)
    tracker = Tracker(sinks)
    for text in "abcd":
        tracker.tell(Told(text))
    warning = "Failing failed and gets no more events (the line is dead); the run goes on"
    assert failing.heard == ["a", "b"]
    for sink in (first, second):
        assert [text for text in sink.heard if text != warning] == ["a", "b", "c", "d"]
        assert sink.heard.count(warning) == 1


def test_sinks_that_all_fail_end_in_silence_not_in_a_circle():
    failing = [Failing(at=1), Failing(at=1)]
    tracker = Tracker(list(failing))
    tracker.tell(Told("a"))
    tracker.tell(Told("b"))
    tracker.close()
    assert [len(sink.heard) for sink in failing] == [1, 1]
    assert not tracker.sinks


def test_a_folder_that_vanished_costs_lines_and_not_the_run_and_the_log_goes_on_when_it_is_back():
    listening = Listening()
    tracker = Tracker([TextLog(Path("gone/run.log")), listening])
    tracker.tell(Told("a"))
    assert len(listening.heard) == 2
    assert listening.heard[0].startswith("gone/run.log: cannot be written")
    assert listening.heard[0].endswith("The run goes on, and TextLog will try again")
    tracker.tell(Told("b"))
    assert len(listening.heard) == 3  # told once
    Path("gone").mkdir()
    tracker.tell(Told("c"))
    assert Path("gone/run.log").read_text().endswith(" c\n")


def test_a_sink_that_cannot_be_closed_is_reported_to_the_others():
    class Stuck(Listening):
        def close(self) -> None:
            raise RuntimeError

    listening = Listening()
    Tracker([Stuck(), listening]).close()
    assert listening.heard == ["Stuck failed and gets no more events (RuntimeError); the run goes on"]
    assert listening.closed


def test_an_interrupt_is_no_failure_of_a_sink():
    class Interrupted(Listening):
        def handle(self, event: Event) -> None:
            raise KeyboardInterrupt(event.text)

    with pytest.raises(KeyboardInterrupt):
        Tracker([Interrupted()]).tell(Warned("a"))
