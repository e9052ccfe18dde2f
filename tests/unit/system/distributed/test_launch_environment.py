# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from boxwright.errors import SettingError
from boxwright.system.distributed.launch_environment import Launch, launch_of_environment

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "10.0.0.1",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RESTART_COUNT": "2",
    "TORCHELASTIC_USE_AGENT_STORE": "True",
    "TORCHELASTIC_RUN_ID": "night",
}


@pytest.fixture
def environment(monkeypatch):
    """Set what a launcher sets; None takes a name away."""

    def told(changes=None):
        for name, value in {**TORCHRUN, **(changes or {})}.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)

    return told


def test_the_place_among_all_is_read_as_torchrun_sets_it(environment):
    environment()
    assert launch_of_environment() == Launch(3, 4, 1, 2, "10.0.0.1", 29500, 2, hosted=True, job="night")


@pytest.mark.parametrize(("size", "run"), [(None, "night"), ("", "night"), ("1", None), (None, None)])
def test_one_process_is_alone(environment, size, run):
    environment({"WORLD_SIZE": size, "TORCHELASTIC_RUN_ID": run})
    assert launch_of_environment() is None


def test_one_process_that_torchrun_started_knows_its_job_and_that_it_was_started_before(environment):
    environment({"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_PORT": None})
    assert launch_of_environment() == Launch(0, 1, 0, 1, "", 0, 2, job="night")


def test_a_launcher_without_a_name_of_the_job_is_known_by_its_process(environment):
    environment({"TORCHELASTIC_RUN_ID": "none"})
    assert launch_of_environment().job.startswith("launcher ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"WORLD_SIZE": "many"}, "WORLD_SIZE: 'many' is no number"),
        ({"RANK": None}, "RANK: is not set"),
        ({"RANK": "4"}, "RANK: 4 of 4 processes"),
        ({"LOCAL_RANK": "2"}, "RANK: 3 of 4 processes, 2 of 2 on this host"),
        ({"MASTER_PORT": None}, "MASTER_PORT: is not set"),
    ],
)
def test_an_environment_that_cannot_be_meant_is_one_line(environment, changes, told):
    environment(changes)
    with pytest.raises(SettingError) as refused:
        launch_of_environment()
    assert str(refused.value).startswith(told)
    assert "\n" not in str(refused.value)
