# SPDX-License-Identifier: Apache-2.0
"""`--ndjson-console`: stdout is for programs, whatever happens, and a person still reads on stderr what went wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import boxwright
from tests.support.commands import command, done


def events_of(out: str) -> list[dict[str, object]]:
    """Every line of it: each is an event, and the first names the format."""
    lines = [json.loads(line) for line in out.splitlines()]
    assert all({"time", "event"} <= line.keys() for line in lines)
    kinds = [line["event"] for line in lines]
    assert (lines[0]["format"], kinds[0], kinds.count("StreamStarted")) == ("boxwright events", "StreamStarted", 1)
    assert kinds.count("RunEnded") == 1
    assert set(kinds[kinds.index("RunEnded") + 1 :]) <= {"FileWritten"}
    return lines


def the_end(out: str) -> dict[str, object]:
    return next(line for line in events_of(out) if line["event"] == "RunEnded")


def test_stdout_holds_the_events_of_a_training_and_nothing_else(ground, tmp_path):
    place = tmp_path / "result.json"
    words = ground.words(tmp_path, "--ndjson-console", "--result-file", place, "lr0=0.01", epochs=1)
    said = done(*words, "--adam")
    kinds = {line["event"] for line in events_of(said.out)}
    assert {"RunStarted", "StepLogged", "EpochTrained", "EpochEnded", "CheckpointSaved", "FileWritten"} <= kinds
    end = the_end(said.out)
    assert (end["ended"], end["exit_code"], end["epochs_done"]) == ("done", 0, 1)
    assert said.err.splitlines() == [f"warning: {line['text']}" for line in events_of(said.out) if "text" in line]
    assert json.loads(place.read_text())["folder"] == end["folder"]
    logged = (Path(str(end["folder"])) / "events.jsonl").read_text().splitlines()
    kept = [line for line in said.out.splitlines() if '"EpochEnded"' in line]
    assert [json.loads(line)["results"] for line in logged if '"EpochEnded"' in line] == [
        json.loads(line)["results"] for line in kept
    ]

    again = done("train", "--resume", end["folder"], "--ndjson-console")
    assert [line["event"] for line in events_of(again.out)] == ["StreamStarted", "RunEnded"]
    assert (the_end(again.out)["ended"], again.err) == ("already done", "")
    plain = done("train", "--resume", end["folder"], "--epochs", 2)  # who asks for nothing reads as ever
    assert plain.lines[-1] == end["folder"]
    assert "StreamStarted" not in plain.out


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("train", "--ndjson-console", "--epochs", "x"), "--epochs: epochs is 'x'. "),
        (("train", "--ndjson-console", "--epohcs", "3"), "boxwright train: unknown flag '--epohcs'. "),
        (("train", "ndjson_console=true", "--data", "nowhere.yaml"), "--data nowhere.yaml: "),
        (("train", "--config", "own.yaml", "--data", "nowhere.yaml"), "--data nowhere.yaml: "),
        (("demo", "--ndjson-console", "--data", "nowhere.yaml"), "--data nowhere.yaml: "),
        (("train", "--ndjson-console", "--dry-run"), "--ndjson-console + --dry-run: a dry run has no events"),
    ],
)
def test_a_fault_before_any_run_is_an_event_and_a_line_for_people(words, reason):
    Path("own.yaml").write_text("ndjson_console: true\n")
    said = command(*words)
    end = the_end(said.out)
    assert (said.code, end["ended"], end["exit_code"]) == (2, "failed", 2)
    assert str(end["reason"]).startswith(reason)
    assert said.err == f"error: {end['reason']}\n"


def test_other_verbs_print_what_they_are_asked_for():
    said = done("config", "show", "--ndjson-console", "--json")
    assert json.loads(said.out)["settings"]["ndjson_console"] is True


@pytest.mark.parametrize(
    ("fault", "ended", "reason", "code"),
    [
        (KeyboardInterrupt(), "stopped", "stopped by SIGINT", 130),
        (boxwright.UserError("x", "went wrong", "Mend it"), "failed", "x: went wrong. Mend it", 2),
        (MemoryError("no room"), "failed", "MemoryError: no room", 1),
    ],
    ids=["signal", "fault", "crash"],
)
def test_a_run_that_something_ends_tells_its_end_to_all_who_listen(
    ground, tmp_path, capsys, fault, ended, reason, code
):
    class Cut:
        """Ends the run from inside: what callbacks raise is only reported, but nothing guards this question."""

        @property
        def stop_requested(self) -> str:
            raise fault

    asked = {"data": str(ground.data), "cfg": str(ground.cfg), "imgsz": 64, "batch_size": 4, "workers": 0}
    more = {"device": "cpu", "epochs": 1, "noplots": True, "project": str(tmp_path), "ndjson_console": True}
    with pytest.raises(type(fault)):
        boxwright.train(**asked, **more, observers=[Cut()])
    end = the_end(capsys.readouterr().out)
    assert (end["ended"], end["reason"], end["exit_code"]) == (ended, reason, code)
    logged = json.loads((tmp_path / "exp" / "events.jsonl").read_text().splitlines()[-1])
    assert {key: logged[key] for key in ("event", "ended", "reason")} == {
        "event": "RunEnded",
        "ended": ended,
        "reason": reason,
    }
