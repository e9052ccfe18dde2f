# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.system.run_folder import RunFolder
from boxwright.track.tracker_state import STATE, TrackerState, events_behind, read_state
from tests.support.told_runs import told, whole


def test_a_state_comes_back_as_it_was_written(tmp_path):
    state = TrackerState(id="7", place="there", sent=4, sending=4, tries=2, steps={"EpochEnded": 3}, refused=[1])
    state.save(tmp_path / "mlflow")
    assert read_state(tmp_path / "mlflow") == state


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"sent": "x"}', b'{"steps": {"EpochEnded": []}}'])
def test_what_makes_no_sense_is_none(tmp_path, content):
    (tmp_path / STATE).write_bytes(content)
    assert read_state(tmp_path) is None
    assert read_state(tmp_path / "nowhere") is None


def test_events_that_no_service_would_get_are_not_counted_as_missing(tmp_path):
    run = told(tmp_path, *whole())
    assert events_behind(run, "mlflow") == 18
    TrackerState(sent=len(whole()) - 1, refused=[2]).save(run.tracker("mlflow"))
    assert events_behind(run, "mlflow") == 2
    assert events_behind(RunFolder(tmp_path / "nowhere"), "mlflow") == 0
