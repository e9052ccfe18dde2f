# SPDX-License-Identifier: Apache-2.0
"""A trial is a training without a folder; halved, it goes on to the same bits; it says what it was trained with."""

from __future__ import annotations

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.errors import SettingError
from boxwright.evolution.place import study_folder
from boxwright.evolution.trial import Trainer, expected_hash, hash_of, settings_of
from boxwright.search.job import Job
from boxwright.search.study import Key, StudyPlan
from tests.support import datasets

EPOCHS = 3
PLACE = {"device": "cpu", "workers": 0, "threads": 1}


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> StudyPlan:
    folder = tmp_path_factory.mktemp("trial")
    asked = {"data": str(datasets.write(folder / "data")), "cfg": str(datasets.write_model(folder)), "imgsz": (64,)}
    settings = resolve_train({**asked, "batch_size": 4, "epochs": EPOCHS, "amp": "off"}).settings
    keys = (Key("lr0", 0.0, 0.1),)
    stored = settings.model_dump(mode="json")
    return StudyPlan(method="search", trials=3, epochs=EPOCHS, start={"lr0": 0.01}, keys=keys, settings=stored)


def job(name: str, epochs: int, before: str = "") -> Job:
    return Job(name, 0, {"lr0": 0.02}, epochs, EPOCHS, 0, goes_on_from=before)


@pytest.fixture(scope="module")
def whole(plan, tmp_path_factory):
    return Trainer(plan, tmp_path_factory.mktemp("whole"), PLACE).train(job("0", EPOCHS))


def test_a_halved_trial_goes_on_to_the_same_numbers(plan, whole, tmp_path):
    trainer = Trainer(plan, tmp_path / "states", PLACE)
    assert not trainer.train(job("0-r0", 1)).is_failed
    assert [path.name for path in trainer.states.iterdir()] == ["0-r0.pt"]
    again = trainer.train(job("0-r1", EPOCHS, "0-r0"))
    assert (again.fitness, again.results) == (whole.fitness, whole.results)
    assert list(trainer.states.iterdir()) == [], "a state that was taken up is not needed any more"


@pytest.mark.parametrize("damage", [False, True])
def test_one_whose_state_is_gone_is_trained_from_the_beginning_to_the_same(plan, whole, tmp_path, damage):
    if damage:
        (tmp_path / "0-r0.pt").write_bytes(b"PK\x03\x04 torn")
    again = Trainer(plan, tmp_path, PLACE).train(job("0-r1", EPOCHS, "0-r0"))
    assert (again.fitness, again.results) == (whole.fitness, whole.results)


def test_a_result_bears_the_hash_of_what_was_trained_with(plan, whole):
    assert whole.plan_hash == expected_hash(plan, whole.job)
    other = Job("1", 1, {"lr0": 0.03}, EPOCHS, EPOCHS, 0)
    assert expected_hash(plan, other) != whole.plan_hash


def test_where_a_trial_trains_is_no_part_of_its_hash(plan):
    here = settings_of(plan, job("0", EPOCHS), {"threads": 1}).model_dump(mode="json")
    there = settings_of(plan, job("0", EPOCHS), {"threads": 4, "device": "0"}).model_dump(mode="json")
    assert hash_of(here) == hash_of(there)


def test_a_data_set_that_is_gone_is_a_failure_of_the_trial(plan, tmp_path):
    gone = plan.model_copy(update={"settings": {**plan.settings, "data": str(tmp_path / "gone.yaml")}})
    result = Trainer(gone, tmp_path, PLACE).train(job("0", EPOCHS))
    assert result.is_failed
    assert result.fitness == 0
    assert "gone.yaml" in result.reason


def test_values_that_no_training_can_have_are_a_failure_of_the_trial(plan, tmp_path):
    """Whoever may write to the folder of a study can put any number into a claim."""
    wild = Job("0", 0, {"lr0": 1e30}, EPOCHS, EPOCHS, 0)
    result = Trainer(plan, tmp_path, PLACE).train(wild)
    assert (result.failure, result.fitness) == ("settings", 0.0)
    assert "trial 0: lr0" in result.reason
    assert expected_hash(plan, wild) == ""


def test_a_plan_of_settings_that_nobody_knows_is_one_line(plan, tmp_path):
    other = plan.model_copy(update={"settings": {**plan.settings, "of_another_version": 1}})
    with pytest.raises(SettingError, match=r"plan\.json: of_another_version: extra inputs are not permitted"):
        study_folder(tmp_path, other)
