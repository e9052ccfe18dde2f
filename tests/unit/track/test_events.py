# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

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
    StepLogged,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.event_log import EventLog, TextLog
from boxwright.track.sinks.event_stream import EventStream
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
    assert {type(event) for event in ALL} == set(Event.__subclasses__())


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
    assert [line["event"] for line in lines] == [*told[:row], "StepLogged", *told[row:]]
    assert lines[row]["objects"] == ALL[3].objects
    assert all(line["time"] > 1.6e9 for line in lines)


def test_the_stream_of_events_leaves_nothing_out_and_goes_on_where_an_earlier_process_ended():
    for _ in range(2):
        stream = EventStream(Path("events.ndjson"))
        for event in ALL:
            stream.handle(event)
        stream.close()
    lines = [json.loads(line) for line in Path("events.ndjson").read_text().splitlines()]
    assert all(line.pop("time") > 1.6e9 for line in lines)
    assert lines == [json.loads(json.dumps(event.record())) for event in (*ALL, *ALL)]


def test_the_event_log_goes_on_where_an_earlier_process_ended():
    for text in ("one", "two"):
        EventLog(Path("events.jsonl")).handle(Told(text))
    assert [json.loads(line)["text"] for line in Path("events.jsonl").read_text().splitlines()] == ["one", "two"]


def test_the_text_log_holds_what_people_read_one_line_each():
    log = TextLog(Path("run.log"))
    for event in (*ALL, Told("a\x1b[2J\nb")):
        log.handle(event)
    log.close()
    texts = [line.split(" ", 2)[2] for line in Path("run.log").read_text().splitlines()]
    assert texts == ["one", "two", "epoch 1 of 3: 2.0 s", "warning: careful", "a line", "bye", r"a\x1b[2J\nb"]
