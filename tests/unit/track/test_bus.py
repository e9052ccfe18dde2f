# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import threading
from pathlib import Path

import pytest

from boxwright.track.bus import QUEUE_LIMIT, Bus, Delivery
from boxwright.track.events import EpochTrained, Event, StepLogged, Told, Warned
from boxwright.track.sinks.event_log import TextLog


class Listening:
    delivery = Delivery.INLINE

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
    bus = Bus(list(sinks))
    for text in "abc":
        bus.tell(Told(text))
    bus.close()
    assert [sink.heard for sink in sinks] == [["a", "b", "c"]] * 2
    assert all(sink.closed for sink in sinks)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_sink_that_fails_is_reported_once_and_the_others_go_on(place):
    first, second, failing = Listening(), Listening(), Failing(at=2)
    sinks = [first, second]
    sinks.insert(place, failing)
    bus = Bus(sinks)
    for text in "abcd":
        bus.tell(Told(text))
    warning = "Failing failed and gets no more events (the line is dead); the run goes on"
    assert failing.heard == ["a", "b"]
    for sink in (first, second):
        assert [text for text in sink.heard if text != warning] == ["a", "b", "c", "d"]
        assert sink.heard.count(warning) == 1


def test_what_a_sink_tells_while_it_handles_an_event_follows_behind_that_event_everywhere():
    class Answering(Listening):
        def handle(self, event: Event) -> None:
            super().handle(event)
            if event.text == "a":
                bus.tell(Told("b"))

    first, answering, last = Listening(), Answering(), Listening()
    bus = Bus([first, answering, last])
    bus.tell(Told("a"))
    bus.tell(Told("c"))
    assert first.heard == answering.heard == last.heard == ["a", "b", "c"]


def test_sinks_that_all_fail_end_in_silence_not_in_a_circle():
    failing = [Failing(at=1), Failing(at=1)]
    bus = Bus(list(failing))
    bus.tell(Told("a"))
    bus.tell(Told("b"))
    bus.close()
    assert [len(sink.heard) for sink in failing] == [1, 1]
    assert not bus.sinks


def test_a_folder_that_vanished_costs_lines_and_not_the_run_and_the_log_goes_on_when_it_is_back():
    listening = Listening()
    bus = Bus([TextLog(Path("gone/run.log")), listening])
    bus.tell(Told("a"))
    assert len(listening.heard) == 2
    assert listening.heard[1].startswith("gone/run.log: cannot be written")
    assert listening.heard[1].endswith("The run goes on, and TextLog will try again")
    bus.tell(Told("b"))
    assert len(listening.heard) == 3  # told once
    Path("gone").mkdir()
    bus.tell(Told("c"))
    assert Path("gone/run.log").read_text().endswith(" c\n")


def test_a_sink_that_cannot_be_closed_is_reported_to_the_others():
    class Stuck(Listening):
        def close(self) -> None:
            raise RuntimeError

    listening = Listening()
    Bus([Stuck(), listening]).close()
    assert listening.heard == ["Stuck failed and gets no more events (RuntimeError); the run goes on"]
    assert listening.closed


def test_an_interrupt_is_no_failure_of_a_sink():
    class Interrupted(Listening):
        def handle(self, event: Event) -> None:
            raise KeyboardInterrupt(event.text)

    with pytest.raises(KeyboardInterrupt):
        Bus([Interrupted()]).tell(Warned("a"))


# -- queued sinks


class Behind(Listening):
    """A sink behind a network: it takes an event only when it is let."""

    delivery = Delivery.QUEUED

    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.let = threading.Event()
        self.has_one = threading.Event()

    def handle(self, event: Event) -> None:
        self.has_one.set()
        assert self.let.wait(60)
        self.events.append(event)


def step(number: int) -> StepLogged:
    return StepLogged(0, 1, number, 10_000, (0.0, 0.0, 0.0), 0, 64, 0, 0.0)


def test_a_queued_sink_that_hangs_holds_up_neither_the_run_nor_the_other_sinks_nor_the_end():
    hangs, listening = Behind(), Listening()
    bus = Bus([hangs, listening])
    for text in "abc":
        bus.tell(Told(text))
    assert listening.heard == ["a", "b", "c"]
    bus.close(seconds=0)
    assert listening.heard[-1] == "Behind was too slow: 3 events did not reach it"
    assert listening.closed
    assert not hangs.closed
    hangs.let.set()


def test_a_queued_sink_hears_everything_in_order_before_it_is_closed():
    sink = Behind()
    bus = Bus([sink])
    for text in "abcdef":
        bus.tell(Told(text))
    sink.let.set()
    bus.close()
    assert [event.text for event in sink.events] == list("abcdef")
    assert sink.closed


def test_of_a_full_queue_batches_are_dropped_and_never_what_counts():
    sink, listening = Behind(), Listening()
    listening.handle = listening.heard.append
    bus = Bus([sink, listening])
    bus.tell(EpochTrained(0))
    assert sink.has_one.wait(60)  # it holds the first one; the others wait
    for number in range(QUEUE_LIMIT + 5):
        bus.tell(step(number))
    for epoch in range(1, QUEUE_LIMIT + 8):
        bus.tell(EpochTrained(epoch))
    sink.let.set()
    bus.close(60)
    assert [event.epoch for event in sink.events if isinstance(event, EpochTrained)] == list(range(QUEUE_LIMIT + 8))
    assert not [event for event in sink.events if isinstance(event, StepLogged)]
    assert listening.heard[-1].text == f"Behind was too slow: {QUEUE_LIMIT + 5} events did not reach it"


def test_a_queued_sink_that_fails_is_reported_once_and_left_out():
    class Broken(Behind):
        def handle(self, _event: Event) -> None:
            raise OSError("no route")

    broken, listening = Broken(), Listening()
    bus = Bus([broken, listening])
    for text in "abc":
        bus.tell(Told(text))
    bus.close(60)
    assert listening.heard.count("Broken failed and gets no more events (no route); the run goes on") == 1
    assert [text for text in listening.heard if len(text) == 1] == ["a", "b", "c"]


def test_many_threads_may_tell_and_every_sink_hears_one_order():
    sinks = [Listening(), Listening()]
    bus = Bus(sinks)
    threads = [
        threading.Thread(target=lambda name=name: [bus.tell(Told(f"{name}{i}")) for i in range(50)]) for name in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sinks[0].heard == sinks[1].heard
    assert len(sinks[0].heard) == 200


def test_sinks_keep_a_little_in_checkpoints():
    class Service(Listening):
        name = "service"

        def state(self) -> dict[str, str]:
            return {"run": "x1"}

    assert Bus([Service(), Listening()]).states() == {"service": {"run": "x1"}}
