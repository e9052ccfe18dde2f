# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from boxwright.track import events
from boxwright.track.events import (
    ClassResult,
    EpochEnded,
    EpochTrained,
    Event,
    RunEnded,
    RunStarted,
    ShownBox,
    ShownImage,
    StepLogged,
    StreamStarted,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.event_lines import event_of, line_of
from boxwright.track.sinks.event_log import EventLog, TextLog
from boxwright.track.sinks.event_stream import EventPrinter, EventStream
from tests.support.event_page import PAGE, fields_of, page
from tests.support.told_runs import shown

ALL = (
    RunStarted("runs/exp", ("one", "two"), 0, 3, {"epochs": 3}),
    events.EpochStarted(0, 3, 5),
    EpochTrained(0),
    StepLogged(0, 3, 0, 5, (0.1, 0.2, 0.3), 7, 640, 0, 1.5),
    Validated(0, 2, 3, 0.1, 0.2, 0.3, 0.4, 0.5, (ClassResult("cat", 1, 2, 0.1, 0.2, 0.3, 0.4),), {"NMS": 1.0}),
    EpochEnded(0, 3, {"metrics/mAP_0.5": None}, None, -1.0, -1, 0.1, 2.0),
    events.CheckpointSaved("runs/exp/weights/last.pt", "last", 0),
    Warned("careful"),
    Told("a line"),
    events.Pictured("runs/exp/labels.jpg", "labels", (480, 640)),
    events.LabelsCounted((3, 0, 7)),
    events.FileWritten("runs/exp/results.csv", "log"),
    events.SystemMeasured(0, 55.0, 12.5, 1 << 30, 0),
    shown(0),
    RunEnded("done", 3, 0.1, 2, 0.5, "runs/exp", ("bye",)),
)


def test_there_is_an_example_of_every_event():
    assert {type(event) for event in (*ALL, StreamStarted())} == set(Event.__subclasses__())


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_an_event_is_plain_values_and_its_line_says_all_of_it(event):
    record = event.record()
    assert record.pop("event") == type(event).__name__
    assert set(record) == {field.name for field in fields(event)}
    assert type(event)(**record).record() == event.record()
    assert json.loads(json.dumps(record)) == json.loads(json.dumps(record, default=repr))


def test_the_event_log_has_a_line_for_everything_and_of_the_steps_the_last_one_of_an_epoch():
    log = EventLog(Path("events.jsonl"))
    for event in (replace(ALL[3], objects=1), *ALL):
        log.handle(event)
    log.close()
    lines = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    told = [
        type(event).__name__ for event in ALL if not isinstance(event, StepLogged | EpochTrained | events.FileWritten)
    ]
    row = told.index("EpochEnded")
    assert [line["event"] for line in lines] == ["StreamStarted", *told[:row], "StepLogged", *told[row:]]
    assert lines[row + 1]["objects"] == ALL[3].objects
    assert all(line["time"] > 1.6e9 for line in lines)


def test_the_stream_of_events_leaves_nothing_out_and_goes_on_where_an_earlier_process_ended():
    for _ in range(2):
        stream = EventStream(Path("events.ndjson"))
        for event in ALL:
            stream.handle(event)
        stream.close()
    lines = [json.loads(line) for line in Path("events.ndjson").read_text().splitlines()]
    assert all(line.pop("time") > 1.6e9 for line in lines)
    once = (StreamStarted(), *ALL)
    assert lines == [json.loads(json.dumps(event.record())) for event in (*once, *once)]


def test_the_event_log_goes_on_where_an_earlier_process_ended():
    for text in ("one", "two"):
        EventLog(Path("events.jsonl")).handle(Told(text))
    lines = [json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]
    assert [line.get("text") for line in lines] == [None, "one", None, "two"]
    begins = {"event": "StreamStarted", "format": "boxwright events", "version": events.VERSION}
    assert begins.items() <= lines[0].items()
    assert begins.items() <= lines[2].items()


def test_the_text_log_holds_what_people_read_one_line_each():
    log = TextLog(Path("run.log"))
    for event in (*ALL, Told("a\x1b[2J\nb")):
        log.handle(event)
    log.close()
    texts = [line.split(" ", 2)[2] for line in Path("run.log").read_text().splitlines()]
    assert texts == ["one", "two", "epoch 1 of 3: 2.0 s", "warning: careful", "a line", "bye", r"a\x1b[2J\nb"]


def strictly(text: str) -> dict[str, object]:
    """What a reader finds that knows JSON alone."""

    def refuse(word: str) -> float:
        raise AssertionError(word)

    return json.loads(text, parse_constant=refuse)


def test_printed_events_are_alone_on_stdout_and_people_read_of_warnings_on_stderr(capsys):
    printer = EventPrinter()
    for event in (*ALL, Told("a\x7f\x1b[2J\udcff\u2028b\n")):
        printer.handle(event)
    printer.close()
    said = capsys.readouterr()
    lines = [strictly(line) for line in said.out.split("\n")[:-1]]
    assert [line["event"] for line in lines] == ["StreamStarted", *(type(event).__name__ for event in ALL), "Told"]
    assert lines[-1]["text"] == "a\x7f\x1b[2J\udcff\u2028b\n"
    assert said.out.isascii()
    assert said.out.replace("\n", "").isprintable()
    assert said.err == "warning: careful\n"


def test_events_go_to_a_given_stream_at_once():
    class Pipe(io.StringIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed = len(self.getvalue())

    pipe = Pipe()
    EventPrinter(pipe).handle(Told("now"))
    assert pipe.flushed == len(pipe.getvalue()) > 0


NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))


@pytest.mark.parametrize(
    "event",
    [
        EpochEnded(
            0, 3, dict(zip("abc", NO_NUMBERS, strict=True)) | {"d": None, "e": 1.5}, None, *NO_NUMBERS[:1], 1, 0.0, 1.0
        ),
        StepLogged(0, 3, 0, 5, NO_NUMBERS, 7, 640, 0, 1.5),
        Validated(0, 2, 3, *NO_NUMBERS, 0.4, 0.5, (ClassResult("a", 1, 2, *NO_NUMBERS, 0.4),), {"NMS": NO_NUMBERS[0]}),
        Warned("not_finite"),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_is_no_number_is_null_in_a_line_and_comes_back_from_it(event):
    line = line_of(event)
    assert strictly(line)
    for text in (line, line.encode(), json.dumps({**json.loads(line), "later": 1}, indent=None)):
        assert repr(event_of(text, (type(event),)).event) == repr(event)
    assert event_of(line, ()) is None


@pytest.mark.parametrize(
    "lost",
    ["x", 1, [[]], [["losses"]], [["losses", 9, "nan"]], [["losses", -1, "nan"]], [["losses", 0, "one"]], [[1, 2]]],
)
def test_places_of_numbers_that_are_none_make_a_line_no_event(lost):
    record = {"time": 1.0, **ALL[3].record(), "not_finite": lost}
    with pytest.raises((ValueError, TypeError)):
        event_of(json.dumps(record), (StepLogged,))


# -- what programs of others rely on

FORMAT = json.loads((Path(__file__).parents[2] / "data" / "event_format.json").read_text())


def test_within_a_version_kinds_and_fields_are_added_and_none_is_changed():
    """What is new is added to tests/data/event_format.json; whoever has to change a line of it makes a new version."""
    now = {kind.__name__: fields_of(kind) for kind in (*Event.__subclasses__(), ClassResult, ShownBox, ShownImage)}
    types = {name: {field: of for field, (of, _) in kind.items()} for name, kind in now.items()}
    assert {"version": events.VERSION, "kinds": types} == FORMAT


def test_the_page_about_events_says_what_they_are():
    assert PAGE.read_text() == page(), "`python -m tests.support.event_page` writes it"
