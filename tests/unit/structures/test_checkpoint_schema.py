# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import io
import json
import zipfile

import pytest
import torch

from boxwright import cli
from boxwright.config.schema.train import TrainSettings
from boxwright.errors import WeightsError
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.structures.checkpoint_schema import sound_evaluation
from boxwright.system.files import previous_of
from boxwright.system.tensors import packed, read_tensors
from boxwright.track.sinks.event_log import read_log
from boxwright.track.sinks.results_table import read
from tests.fuzz.documents import sealed
from tests.support.datasets import TINY_MODEL
from tests.support.networks import tiny


def document(**changes: object) -> dict:
    network = TINY_MODEL.replace("nc: 80", "nc: 3")
    made = {
        "kind": "checkpoint",
        "network": network,
        "names": ["a", "b", "c"],
        "model": dict(tiny().state_dict()),
        "epoch": -1,
    }
    return {**made, **changes}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.pt"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"names": [1, 2, 3]}, "names.0: Input should be a valid string"),
        ({"names": ["a", "b"]}, "names 2 classes, and its network tells 3 apart"),
        ({"names": ["a", "b", "\ud800"]}, "its program is damaged"),
        ({"strides": [8.5]}, "strides.0"),
        ({"evaluation": {"imgsz": "x"}}, "evaluation.imgsz"),
        ({"evaluation": {"data": "a\0b"}}, "evaluation.data"),
        ({"settings": {"a": torch.zeros(2)}}, "settings: a Tensor where a plain value belongs"),
        ({"settings": {"a": 10**30}}, "settings: a number beyond 64 bits"),
        ({"epoch": 10**12}, "epoch"),
        ({"model": {}}, "model"),
        ({"model": {"model.0.conv.weight": torch.zeros(1)}}, "tensors are missing or of another shape"),
        ({"ema": {"a": torch.zeros(1)}}, "its average is not one of its network"),
        ({"state": {"patience": {"epochs": 1}}}, "it lacks ema, ema_updates, optimizer"),
        ({"state": {"patience": {"epochs": 1}, "surprise": 1}}, "state.surprise"),
    ],
)
def test_a_field_of_another_kind_is_one_line_that_names_it(path, changes, says):
    sealed(path, document(**changes))
    with pytest.raises(WeightsError, match=says) as found:
        network_of_weights(open_weights(str(path)))
    assert str(found.value).startswith(str(path))
    assert "\n" not in str(found.value)


def test_a_sound_checkpoint_is_opened_and_keys_of_other_versions_are_left_alone(path):
    sealed(path, document(newer={"a": [1, 2]}, program=None))
    assert network_of_weights(open_weights(str(path))).num_classes == 3


def test_the_generation_before_serves_where_the_newest_makes_no_sense(path):
    previous_of(path).write_bytes(packed(document()))
    sealed(path, document(names=5))
    weights = open_weights(str(path))
    assert weights.path == previous_of(path)
    assert "names" in weights.note


def test_a_network_that_its_tensors_cannot_fill_is_refused_before_it_takes_memory(path):
    sealed(
        path,
        document(network=TINY_MODEL.replace("nc: 80", "nc: 3").replace("width_multiple: 1.0", "width_multiple: 100.0")),
    )
    with pytest.raises(WeightsError, match="does not fit the network that it describes"):
        network_of_weights(open_weights(str(path)))


def test_a_record_that_is_compressed_is_refused_behind_a_right_digest(path):
    buffer, squeezed = io.BytesIO(packed(document())), io.BytesIO()
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(squeezed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    body = squeezed.getvalue()
    comment = json.dumps(
        {"format": "boxwright", "version": 1, "length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    ).encode()
    path.write_bytes(body[:-2] + len(comment).to_bytes(2, "little") + comment)
    with pytest.raises(WeightsError, match="compressed or encrypted record"):
        read_tensors(path)


def test_a_tensor_that_is_all_of_its_storage_is_not_copied_and_others_do_not_share_it(path):
    weight = torch.arange(6.0)
    path.write_bytes(packed({"a": weight, "b": weight[2:4], "c": weight[:]}))
    found = read_tensors(path)
    found["a"].zero_()
    assert found["b"].tolist() == [2.0, 3.0]
    assert found["c"].tolist() == weight.tolist()


def test_lines_of_an_event_log_with_values_of_another_kind_count_as_torn(tmp_path):
    sound = {
        "event": "EpochEnded",
        "epoch": 0,
        "epochs": 2,
        "results": {"x": 1.0},
        "fitness": None,
        "best_fitness": 0,
        "best_epoch": 0,
    }
    sound |= {"data_wait": 0.0, "seconds": 1.0}
    broken = [
        {**sound, "epoch": "x"},
        {**sound, "results": {"x": "y"}},
        {**sound, "epoch": 10**30},
        {"event": []},
        [1],
        5,
    ]
    (tmp_path / "events.jsonl").write_text("\n".join(json.dumps(line) for line in (sound, *broken)) + "\n[[[[")
    told = read_log(tmp_path / "events.jsonl")
    assert [event.epoch for event in told.epochs] == [0]
    assert told.torn == len(broken) + 1


def test_of_a_table_a_row_with_a_word_for_a_number_is_passed_over(tmp_path):
    (tmp_path / "results.csv").write_text("epoch, a\n0, 1\n1, x\n2, 3\n")
    assert read(tmp_path / "results.csv") == {"epoch": [0.0, 2.0], "a": [1.0, 3.0]}


def test_settings_of_a_run_that_are_no_mapping_are_one_line(tmp_path, capsys):
    (tmp_path / "config.yaml").write_text("settings: 5\nsources: {}\n")
    assert cli.main(["config", "show", "--config", str(tmp_path / "config.yaml")]) == 2
    assert "config.yaml:1: settings are no mapping" in capsys.readouterr().err


def test_what_the_largest_batch_leaves_in_a_checkpoint_is_sound():
    """A training that may be asked for must not end in a best.pt that nobody reads."""
    bound = next(one.le for one in TrainSettings.model_fields["batch_size"].metadata if hasattr(one, "le"))
    assert sound_evaluation({"batch_size": 2 * bound}) == {"batch_size": 2 * bound}
    assert sound_evaluation({"batch_size": 2 * bound + 1}) == {}
