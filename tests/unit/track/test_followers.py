# SPDX-License-Identifier: Apache-2.0
"""Trackers in real processes."""

from __future__ import annotations

import re
import threading

import pytest

from boxwright.system.run_folder import RunFile
from boxwright.track.attendant import Bounds
from boxwright.track.bus import Bus
from boxwright.track.events import Event, RunEnded, Told, Warned
from boxwright.track.sinks.event_log import EventLog
from boxwright.track.sinks.followers import Followers
from boxwright.track.tracker_state import LOG, read_state
from tests.support.recording_service import Recording, program
from tests.support.told_runs import end, epoch_of_it, started, told, whole


class Heard:
    """What the user is told, and a bus with the log and the trackers of a run."""

    def __init__(self, folder, service: Recording, bounds: Bounds | None = None, known=None) -> None:
        self.run, self.service = told(folder), service
        self.said: list[str] = []
        self.bus = Bus([EventLog(self.run / RunFile.EVENTS)])
        self.followers = Followers(self.run, ["mlflow"], self._tell, known, program(service.place), bounds)
        self.bus.sinks.append(self.followers)

    def _tell(self, event: Event) -> None:
        assert isinstance(event, Told | Warned)
        self.said.append(event.text)
        self.bus.tell(event)

    def trained(self, *events: Event) -> list[str]:
        for event in events:
            self.bus.tell(event)
        self.bus.close()
        return self.said


@pytest.fixture
def service(tmp_path) -> Recording:
    return Recording(tmp_path / "service")


def test_a_process_of_its_own_sends_the_run_and_the_checkpoint_knows_its_id(tmp_path, service):
    heard = Heard(tmp_path / "exp", service)
    said = heard.trained(*whole())
    assert service.steps() == [0, 1, 2]
    assert service.calls[-1] == ["close", "finished"]
    assert said == [f"mlflow: recorded in {service.place}", f"mlflow: look into {service.place}"]
    ids = heard.bus.states()["trackers"]["mlflow"]
    assert ids["id"] == f"id-{ids['key']}"
    assert not any(thread.name == "tracker mlflow" for thread in threading.enumerate())


def test_a_call_that_never_returns_holds_the_training_up_for_a_bounded_time_alone(tmp_path, service):
    (service.place / "hangs").write_text("numbers")
    bounds = Bounds(working=1.0, failing=0.0)
    said = Heard(tmp_path / "exp", service, bounds).trained(*whole())
    assert service.steps() == []
    way = f"later on: boxwright track push {tmp_path / 'exp'} --to mlflow"
    count = re.fullmatch(rf"mlflow: (\d+) events did not arrive \(no answer: \w+\); {re.escape(way)}", said[-1])
    assert int(count[1]) >= 14  # what came before the call is there, on a quick machine


def test_a_service_that_is_dead_is_told_once_with_a_count_at_the_end(tmp_path, service):
    (service.place / "dead").touch()
    said = Heard(tmp_path / "exp", service, Bounds(failing=0.0)).trained(*whole())
    assert said == [
        ("mlflow does not answer (nobody answers at this address); the training goes on, and it is tried again"),
        (
            "mlflow: 18 events did not arrive (nobody answers at this address); later on: boxwright track push "
            f"{tmp_path / 'exp'} --to mlflow"
        ),
    ]


def test_a_run_whose_folder_lost_its_trackers_goes_on_there_by_what_its_checkpoint_knows(tmp_path, service):
    known = {"mlflow": {"key": "k" * 32, "id": "id-before", "place": "there"}, "other": 3}
    heard = Heard(tmp_path / "exp", service, known=known)
    heard.trained(started(1), *epoch_of_it(1), end())
    assert service.calls[0] == ["open", "k" * 32, "id-before"]


def test_a_process_that_cannot_even_begin_says_why_in_its_log_and_ends_nothing(tmp_path, service):
    heard = Heard(tmp_path / "exp", service, Bounds(failing=0.0))
    heard.followers.program = "raise ImportError('a library is broken')"
    said = heard.trained(*whole())
    assert said[0].startswith("mlflow does not answer (its process ended by itself)")
    assert "a library is broken" in (heard.run.tracker("mlflow") / LOG).read_text()
    assert isinstance(whole()[-1], RunEnded)
    assert read_state(heard.run.tracker("mlflow")).id == ""


def test_a_disk_that_takes_nothing_at_the_start_is_told_and_ends_nothing(tmp_path, service):
    heard = Heard(tmp_path / "exp", service, Bounds(failing=0.0))
    (heard.run / RunFile.TRACKERS).write_text("a file where the folder should be")
    said = heard.trained(*whole())
    assert "trackers/mlflow: cannot be written" in said[0]
    assert said[-1].startswith("mlflow: 18 events did not arrive")
    assert service.calls == []
