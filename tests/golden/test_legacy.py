# SPDX-License-Identifier: Apache-2.0
"""Real files of the original program are read bit for bit, against digests taken down independently."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch

from boxwright.model.legacy.checkpoint import read_legacy
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.runs.weights.diff import bytes_of
from boxwright.runs.weights.inspect import digest
from tests.support.legacy_files import REAL, described

FILES = pytest.mark.parametrize(("path", "said"), described(), ids=lambda path: path.name)


@FILES
def test_every_bit_of_a_real_file_is_read(path, said):
    wanted, found = json.loads(said.read_text()), read_legacy(path)
    for name in ("model", "ema"):
        network, one = getattr(found, name), wanted[name]
        if one is None:
            assert network is None
            continue
        assert len(network.state) == one["tensors"]
        assert f"torch.{network.dtype}" == one["dtype"]
        assert digest(network.state) == one["sha256_sorted_key_and_bytes"]
        for key, total in one["sum_abs"].items():
            assert float(network.state[key].double().abs().sum()) == pytest.approx(total, rel=1e-12)
        assert dict(enumerate(network.names)) == {int(number): word for number, word in one["names"].items()}
        assert list(network.strides) == one["stride"]
        assert sorted(network.yaml) == one["yaml_keys"]
        assert network.state["model.24.anchors"].float().tolist() == one["anchors_grid"]


@FILES
def test_the_state_of_the_training_is_read(path, said):
    wanted, found = json.loads(said.read_text()), read_legacy(path)
    best = wanted["best_fitness"]
    assert (found.epoch, found.updates, found.date) == (wanted["epoch"], wanted["updates"], wanted["date"])
    assert found.best_fitness == (best if best is None else best[0])
    if wanted.get("optimizer") is None:
        assert found.optimizer is None
        return
    groups = [{**group, "n_params": len(group["params"])} for group in found.optimizer.groups]
    assert [{key: value for key, value in group.items() if key != "params"} for group in groups] == wanted["optimizer"][
        "groups"
    ]
    assert len(found.optimizer.memory) == wanted["optimizer"]["states"]
    total = sum(float(memory["momentum_buffer"].double().abs().sum()) for memory in found.optimizer.memory.values())
    assert total == pytest.approx(wanted["optimizer"]["momentum_sum_abs"], rel=1e-12)


def test_the_real_file_is_the_one_that_was_described():
    assert (
        hashlib.sha256(REAL.read_bytes()).hexdigest()
        == "b159972094996394735d985cd43f6599b8b49b882a791febf812ad53739a56ac"
    )


def test_a_real_file_becomes_a_network_that_runs():
    weights = open_weights(str(REAL))
    network = network_of_weights(weights)
    assert weights.names == ("RBC", "WBC", "Platelets")
    with torch.no_grad():
        decoded = network(torch.zeros(1, 3, 64, 64)).decoded
    assert decoded.shape == (1, 252, 8)
    assert torch.isfinite(decoded).all()
    assert bytes_of(network.state_dict()["model.0.conv.weight"].half()) == bytes_of(
        read_legacy(REAL).model.state["model.0.conv.weight"]
    )
