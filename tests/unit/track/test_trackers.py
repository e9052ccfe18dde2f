# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.errors import SettingError
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.trackers import TRACKERS, Tracker, tracked_run, trackers_of
from tests.support.recording_service import Recording
from tests.support.told_runs import started, told


@pytest.fixture
def installed(monkeypatch):
    """Trackers whose packages are here in any case."""
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(TRACKERS, name, Tracker("json", Recording))
    monkeypatch.setitem(TRACKERS, "comet", Tracker("a_package_that_is_nowhere", Recording))


@pytest.mark.usefixtures("installed")
def test_trackers_are_named_once_each_in_any_case():
    assert trackers_of(" MLflow, wandb,mlflow,", "--track") == ["mlflow", "wandb"]
    assert trackers_of("", "--track") == []


@pytest.mark.usefixtures("installed")
def test_a_name_that_is_none_is_one_line_with_those_that_are():
    with pytest.raises(SettingError) as raised:
        trackers_of("wandb,mlfow", "--track")
    assert str(raised.value) == (
        "--track: there is no tracker 'mlfow'. Did you mean 'mlflow'? There is: wandb, mlflow, clearml, comet, trackio"
    )


@pytest.mark.usefixtures("installed")
def test_a_tracker_that_is_not_installed_is_one_line_with_the_command_that_installs_it():
    with pytest.raises(SettingError) as raised:
        trackers_of("mlflow,comet", "--track")
    assert str(raised.value) == (
        "--track: the package of the tracker 'comet' is not installed. Install it: pip install 'boxwright[comet]'"
    )


def test_a_service_is_told_of_a_run_by_its_folders(tmp_path):
    run = told(tmp_path / "birds" / "exp2", started())
    (run / RunFile.SETTINGS).write_text("settings: {entity: us, artifact_alias: v2, lr0: 0.01}\n")
    about = tracked_run(run, "mlflow", "key", "id")
    assert (about.name, about.project, about.entity, about.aliases) == ("exp2", "birds", "us", ("v2",))
    assert about.own == run.tracker("mlflow")
    assert about.settings["lr0"] == 0.01


@pytest.mark.parametrize("text", [None, "settings: [1]\n", "settings: {entity: [1], artifact_alias: 3}\n", "}"])
def test_a_run_whose_settings_are_gone_or_make_no_sense_has_its_name_all_the_same(tmp_path, text):
    run = RunFolder(tmp_path / "train" / "exp")
    run.path.mkdir(parents=True)
    if text is not None:
        (run / RunFile.SETTINGS).write_text(text)
    about = tracked_run(run, "mlflow", "key", "id")
    assert (about.name, about.project, about.entity, about.aliases) == ("exp", "boxwright", "", ())
