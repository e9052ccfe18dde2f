# SPDX-License-Identifier: Apache-2.0
"""Trackers beside real trainings. Their services are recorded; real ones are in tests/trackers."""

from __future__ import annotations

import json
import signal

import pytest

import boxwright
from boxwright.errors import EXIT_TRY_AGAIN
from boxwright.runs import push as pushing
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.system.tensors import read_tensors
from boxwright.track.events import Ended
from boxwright.track.sinks import followers
from boxwright.track.tracker_state import read_state
from boxwright.track.trackers import TRACKERS, Tracker
from tests.support.commands import command
from tests.support.recording_service import Recording, program
from tests.support.runs import Ground, differences, train, training_state
from tests.support.told_runs import done, told, whole


@pytest.fixture(scope="module")
def ground(tmp_path_factory) -> Ground:
    return Ground.laid(tmp_path_factory.mktemp("tracked"))


@pytest.fixture
def service(tmp_path, monkeypatch) -> Recording:
    """What stands for two services, and for their packages."""
    found = Recording(tmp_path / "service")
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(TRACKERS, name, Tracker("json", Recording))
    defaults = (None, program(found.place), None, lambda: Ended.FAILED)
    monkeypatch.setattr(followers.Followers.__init__, "__defaults__", defaults)
    return found


def test_a_tracker_gets_the_run_and_changes_no_bit_of_it(ground, service, tmp_path):
    calm = train(ground, tmp_path / "calm", epochs=2)
    watched = train(ground, tmp_path / "watched", "--track", "mlflow", "--bbox-interval", "1", epochs=2)
    assert differences(training_state(calm.last), training_state(watched.last)) == []
    assert (calm.folder / RunFile.RESULTS).read_bytes() == (watched.folder / RunFile.RESULTS).read_bytes()
    assert service.steps() == [0, 1]
    names = [call[0] for call in service.calls]
    assert {"config", "table", "boxes", "file"} <= set(names)
    assert names[-1] == "close"
    assert [call[3] for call in service.calls if call[0] == "boxes"] == [0, 1]
    ids = read_tensors(watched.last)["sinks"]["trackers"]["mlflow"]
    assert ids["key"] == read_state(RunFolder(watched.folder).tracker("mlflow")).key
    assert "sinks" not in read_tensors(calm.last)
    systems = [line for line in log_of(watched.folder) if line["event"] == "SystemMeasured"]
    assert [line["epoch"] for line in systems] == [0, 1]
    assert not any(line["event"] in {"SystemMeasured", "BoxesShown"} for line in log_of(calm.folder))


def log_of(folder):
    return [json.loads(line) for line in (folder / RunFile.EVENTS).read_text().splitlines()]


def test_a_run_that_goes_on_is_the_same_one_there_and_no_step_comes_twice(ground, service, tmp_path):
    said = command(*ground.words(tmp_path, "--track", "mlflow", "--time", "0.0000001", epochs=2))
    assert said.code == EXIT_TRY_AGAIN, said.err
    said = command("train", "--resume", tmp_path / "exp", "--device", "cpu", "--time", "0")
    assert said.code == 0, said.err
    assert service.steps() == [0, 1]
    opened = [call for call in service.calls if call[0] == "open"]
    assert [call[1:] for call in opened] == [[opened[0][1], ""], [opened[0][1], f"id-{opened[0][1]}"]]
    assert [call[1] for call in service.calls if call[0] == "close"] == ["stopped", "finished"]


def test_a_run_that_a_signal_ended_is_told_as_stopped_there(ground, service, tmp_path):
    class Signal:
        def on_train_batch_end(self, *_arguments):
            signal.raise_signal(signal.SIGTERM)

    settings = words_as_settings(ground, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        boxwright.train(**settings, track="mlflow", observers=[Signal()])
    assert service.calls[-1] == ["close", "stopped"]


def words_as_settings(ground, project):
    own = {"data": str(ground.data), "cfg": str(ground.cfg), "project": str(project), "hyp": "small-data"}
    return {**own, "imgsz": 64, "batch_size": 4, "workers": 2, "device": "cpu", "noplots": True, "epochs": 2}


@pytest.mark.parametrize(
    ("names", "told"), [("mlfow", "there is no tracker 'mlfow'"), ("comet", "pip install 'boxwright[comet]'")]
)
def test_a_tracker_that_cannot_be_had_is_one_line_before_anything_is_made(ground, monkeypatch, tmp_path, names, told):
    monkeypatch.setitem(TRACKERS, "comet", Tracker("a_package_that_is_nowhere", Recording))
    said = command(*ground.words(tmp_path / "runs", "--track", names, epochs=1))
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert told in said.err
    assert not (tmp_path / "runs").exists()


# -- later


@pytest.fixture
def pushed(service, monkeypatch):
    monkeypatch.setattr(pushing.push, "__defaults__", (program(service.place),))
    return lambda *words: command("track", "push", *words)


def test_a_run_that_never_had_a_tracker_is_sent_from_its_log_and_once_only(pushed, service, tmp_path):
    run = done(told(tmp_path / "exp", *whole()))
    said = pushed(run.path, "--to", "mlflow")
    assert (said.code, service.steps()) == (0, [0, 1, 2]), said.err
    assert said.lines[-1] == f"mlflow: 18 events arrived, everything is there: recorded in {service.place}"
    count = len(service.calls)
    assert pushed(run.path, "--to", "mlflow").code == 0
    assert len(service.calls) == count


def test_a_service_that_is_dead_ends_a_push_with_a_count_and_an_exit_code(pushed, service, tmp_path, monkeypatch):
    monkeypatch.setattr(pushing, "BOUNDS", pushing.BOUNDS.__class__(failing=0.0, working=None, meanwhile="again"))
    (service.place / "dead").touch()
    run = told(tmp_path / "exp", *whole())
    said = pushed(run.path, "--to", "mlflow,wandb")
    assert said.code == EXIT_TRY_AGAIN
    assert said.lines[-2:] == [f"{name}: 0 events arrived, 18 did not" for name in ("mlflow", "wandb")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere", "--to", "mlflow"), "error: nowhere/events.jsonl: there is no such file. Give a run folder"),
        (("exp", "--to", ","), "error: --to: names no tracker. Give one, or several separated by commas"),
        (("exp", "--to", "x"), "error: --to: there is no tracker 'x'."),
    ],
)
@pytest.mark.usefixtures("service")
def test_a_push_that_cannot_be_meant_is_one_line(pushed, tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    done_run(tmp_path / "exp")
    said = pushed(*words)
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert said.err.startswith(told)


def done_run(folder):
    return done(told(folder, *whole()))
