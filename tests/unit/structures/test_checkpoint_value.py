# SPDX-License-Identifier: Apache-2.0
"""A checkpoint as a value: what a file holds comes back as it was, key by key, and knows where it comes from."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from boxwright.engine.checkpoint import read_checkpoint, snapshot, write_checkpoint
from boxwright.engine.patience import Patience
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.errors import WeightsError
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs.generations import generations
from boxwright.runs.inputs.open_weights import open_weights
from boxwright.structures.checkpoint import (
    Checkpoint,
    DataRecord,
    EvaluationRecord,
    NetworkRecord,
    Origin,
    PlanRecord,
    Position,
)
from boxwright.structures.checkpoint_keys import checkpoint_of, document_of, migrate
from boxwright.system.files import previous_of
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.tensors import read_tensors, write_tensors
from tests.support.networks import TINY, tiny
from tests.support.runs import differences
from tests.support.training import CPU, machines

# The order in which runs have always written them; another one would be other bytes.
KEYS = [
    *("kind", "date", "epoch", "state", "model", "ema", "ema_updates", "optimizer", "gradients", "precision"),
    *("balance", "running", "torch_rng", "program", "network", "network_name", "names", "strides", "settings"),
    *("sources", "data", "data_prints", "machine", "evaluation", "thresholds", "bests", "logged"),
]
OF_THE_TRAINING = {
    *("state", "ema", "ema_updates", "optimizer", "gradients", "precision", "balance", "running"),
    *("torch_rng", "data_prints"),
}


def of_a_run(**changes: object) -> Checkpoint:
    """A checkpoint in which nothing is left at its default."""
    facts = Checkpoint(
        network=NetworkRecord(TINY, "tiny", ("a", "b", "c"), (8, 16)),
        evaluation=EvaluationRecord(data="d.yaml", imgsz=64, single_cls=False, precision="fp32", threads=0),
        program="boxwright 0",
        plan=PlanRecord({"optimizer": "SGD", "epochs": 3}, {"epochs": "--epochs"}),
        data=DataRecord("d.yaml", {"train": "1"}, {"train": "2"}, {"train": torch.ones(2, 3, dtype=torch.int32)}),
        machine={"device": "cpu", "threads": 1},
        thresholds={"all": 0.5},
        bests={"coco-AP": 0.1},
        logged={"epoch": 0, "losses": [1.0]},
    )
    state = TrainState(Patience(3, 0.5, 1, 1), 1, 2, 6, 0.5, 1, {"x": 1.0}, [{"epoch": 0, "x": None}], [0.1, 0.2, 0.3])
    return dataclasses.replace(snapshot(machines(), state, RunningLosses(CPU), facts), **changes)


def test_what_is_written_is_read_as_the_same_keys_in_the_order_of_old(tmp_path):
    held = of_a_run()
    write_checkpoint(tmp_path / "w.pt", held)
    stored = read_tensors(tmp_path / "w.pt")
    assert list(stored) == KEYS
    assert list(stored["data"]) == ["yaml", "fingerprints", "contents"]
    assert list(stored["optimizer"]) == ["groups", "memory"]
    again = document_of(read_checkpoint(tmp_path / "w.pt"))
    assert list(again) == KEYS
    assert differences(again, stored) == []
    assert TrainState.at(read_checkpoint(tmp_path / "w.pt").position).position() == held.position


def test_the_state_of_a_run_is_apart_from_the_checkpoint_it_came_from():
    held = of_a_run()
    state = TrainState.at(held.position)
    state.history.append({"epoch": 1})
    state.results["x"] = 2.0
    assert held.position.history == [{"epoch": 0, "x": None}]
    assert held.position.results == {"x": 1.0}


def test_a_stripped_one_has_lost_what_only_training_needs_and_nothing_else():
    whole = of_a_run(others={"of_a_newer_version": 5})
    keys = list(document_of(whole.stripped()))
    assert keys == [*(key for key in KEYS if key not in OF_THE_TRAINING), "of_a_newer_version", "stripped_from_epoch"]


def test_keys_of_another_version_come_back_as_they_were():
    stored = document_of(of_a_run()) | {"newer": {"a": [1]}}
    held = checkpoint_of(stored, "w.pt")
    assert held.others == {"newer": {"a": [1]}}
    assert document_of(held)["newer"] == {"a": [1]}


def test_a_version_that_nobody_wrote_yet_is_refused():
    stored = document_of(of_a_run())
    assert migrate(stored, 1, "w.pt") is stored
    with pytest.raises(WeightsError, match=r"w\.pt: has keys of version 2, this program reads 1"):
        checkpoint_of(stored, "w.pt", version=2)


def test_a_file_of_before_content_was_covered_is_read(tmp_path):
    stored = document_of(of_a_run())
    del stored["data_prints"], stored["data"]["contents"], stored["logged"]
    write_tensors(tmp_path / "w.pt", stored)
    held = read_checkpoint(tmp_path / "w.pt")
    assert held.data == DataRecord("d.yaml", {"train": "1"})
    assert list(document_of(held)) == [key for key in KEYS if key not in {"data_prints", "logged"}]


def test_every_kind_of_file_says_where_it_comes_from(tmp_path):
    write_checkpoint(tmp_path / "ours.pt", of_a_run())
    (tmp_path / "old.pt").write_bytes(legacy_bytes(LegacyContent(tiny(), ("a", "b", "c"))))
    write_safetensors(tmp_path / "t.safetensors", tiny().state_dict(), {})
    kinds = {name: open_weights(str(tmp_path / name)) for name in ("ours.pt", "old.pt", "t.safetensors")}
    assert [one.checkpoint.origin for one in kinds.values()] == [Origin.OURS, Origin.LEGACY, Origin.TENSORS]
    assert [one.resumable for one in kinds.values()] == [True, False, False]
    assert [one.legacy is not None for one in kinds.values()] == [False, True, False]


def test_a_generation_that_makes_no_sense_is_none_to_go_on_from(tmp_path):
    weights = tmp_path / "weights"
    weights.mkdir()
    write_checkpoint(previous_of(weights / "last.pt"), of_a_run())
    write_tensors(weights / "last.pt", document_of(of_a_run()) | {"gradients": {"nowhere": torch.zeros(1)}})
    found = next(generations(tmp_path))
    assert found.path == previous_of(weights / "last.pt")
    assert isinstance(found.position, Position)
    assert (found.position.epoch, found.position.batch) == (1, 2)
