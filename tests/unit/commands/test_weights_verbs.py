# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from boxwright import cli
from boxwright.errors import WeightsError
from boxwright.model.legacy.writer import LegacyContent, legacy_bytes
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights, spec_of_weights
from boxwright.system.safetensors_file import write_safetensors
from boxwright.system.tensors import read_tensors
from tests.support import hostile
from tests.support.legacy_files import midrun_bytes
from tests.support.networks import tiny
from tests.support.training import same_bits

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("red", "blue", "green")


def run(capsys, *words: object):
    code = cli.main([str(word) for word in ("weights", *words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def old(tmp_path) -> Path:
    path = tmp_path / "old.pt"
    path.write_bytes(legacy_bytes(LegacyContent(tiny(), NAMES)))
    return path


def other(tmp_path, seed: int) -> Path:
    network = tiny()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(seed)
    path = tmp_path / f"other{seed}.pt"
    path.write_bytes(legacy_bytes(LegacyContent(network, NAMES)))
    return path


def test_inspect_tells_what_is_in_a_file(capsys, old):
    code, out, _ = run(capsys, "inspect", old, "--json")
    told = json.loads(out)
    assert code == 0
    assert told["safe"]
    assert (told["kind"], told["container"], told["epoch"], told["network"]) == ("legacy", "zip", -1, "tiny")
    assert told["classes"] == list(NAMES)
    assert told["strides"] == [8, 16]
    assert told["anchors_px"][0][0] == [10, 13]
    assert told["networks"]["model"]["tensors"] == len(tiny().state_dict()) == len(told["tensors"])
    assert not told["resumable"]
    assert "models.yolo.DetectionModel" in told["mentions"]
    code, out, _ = run(capsys, "inspect", old, "--tensors")
    assert "3: red, blue, green" in out
    assert "model.0.conv.weight" in out


def test_inspect_tells_that_a_training_can_go_on(capsys, tmp_path):
    (tmp_path / "mid.pt").write_bytes(midrun_bytes(tiny(), tiny(), NAMES, epoch=2))
    told = json.loads(run(capsys, "inspect", tmp_path / "mid.pt", "--json")[1])
    assert told["resumable"]
    assert (told["epoch"], told["best_fitness"], told["updates"]) == (2, 0.25, 7)
    assert set(told["networks"]) == {"model", "ema"}


def test_inspect_tells_why_a_file_is_refused(capsys, tmp_path):
    (tmp_path / "evil.pt").write_bytes(hostile.cases()["call 0 of os.system"])
    code, out, _ = run(capsys, "inspect", tmp_path / "evil.pt", "--json")
    assert code == 3
    assert json.loads(out)["refused"] == "is not read: it names os.system, which no checkpoint needs"
    assert run(capsys, "inspect", tmp_path / "none.pt")[0] == 2


@pytest.mark.parametrize("target", ["boxwright", "safetensors", "yolov5"])
def test_every_format_holds_the_same_network(capsys, old, tmp_path, target):
    out = tmp_path / "new"
    code, said, _ = run(capsys, "convert", old, "--to", target, "--out", out)
    assert code == 0
    assert "equal to the last bit" in said
    weights = open_weights(str(out))
    assert weights.names == NAMES
    network = network_of_weights(weights)
    assert same_bits(network.state_dict(), tiny().state_dict())
    assert run(capsys, "diff", old, out)[0] == 0
    again = tmp_path / "again.pt"
    assert run(capsys, "convert", out, "--to", "yolov5", "--out", again)[0] == 0
    assert run(capsys, "diff", old, again)[0] == 0


def test_half_precision_is_read_back_as_the_rounded_weights(capsys, old, tmp_path):
    for target in ("safetensors", "yolov5"):
        out = tmp_path / target
        assert run(capsys, "convert", old, "--to", target, "--half", "--out", out)[0] == 0
        state = open_weights(str(out)).checkpoint.model
        rounded = {
            key: value.half().float() if value.is_floating_point() else value
            for key, value in tiny().state_dict().items()
        }
        assert same_bits(state, rounded)
    assert "full precision" in run(capsys, "convert", old, "--half", "--out", tmp_path / "x")[2]


def test_a_file_is_not_replaced_unasked(capsys, old, tmp_path):
    words = ("convert", old, "--to", "safetensors")
    assert run(capsys, *words)[0] == 0
    assert (tmp_path / "old.safetensors").is_file()
    assert run(capsys, *words)[0] == 2
    assert run(capsys, *words, "--exist-ok")[0] == 0
    assert run(capsys, "strip", old, "--out", old, "--exist-ok")[0] == 2


def test_strip_keeps_the_average_and_nothing_of_the_training(capsys, tmp_path):
    average = network_of_weights(open_weights(str(other(tmp_path, 1))))
    (tmp_path / "mid.pt").write_bytes(midrun_bytes(tiny(), average, NAMES))
    assert run(capsys, "strip", tmp_path / "mid.pt")[0] == 0
    checkpoint = open_weights(str(tmp_path / "mid.stripped.pt")).checkpoint
    assert same_bits(checkpoint.model, average.state_dict())
    assert checkpoint.epoch == -1
    keys = {"kind", "network", "network_name", "names", "strides", "program", "evaluation", "date", "epoch", "model"}
    assert read_tensors(tmp_path / "mid.stripped.pt").keys() == keys


def test_diff_tells_what_changed(capsys, old, tmp_path):
    code, out, _ = run(capsys, "diff", old, other(tmp_path, 2), "--json")
    found = json.loads(out)
    assert code == 3
    assert found["changed"]["model.0.conv.weight"] == pytest.approx(2)
    assert found["equal"] == sum(not tensor.is_floating_point() for tensor in tiny().state_dict().values())
    (tmp_path / "two.pt").write_bytes(legacy_bytes(LegacyContent(tiny(num_classes=2), NAMES[:2])))
    code, out, _ = run(capsys, "diff", old, tmp_path / "two.pt")
    assert code == 3
    assert "4 of another shape" in out
    assert "2 said differently: names, network" in out


def test_average_is_the_mean(capsys, old, tmp_path):
    files = [old, other(tmp_path, 1), other(tmp_path, 5)]
    assert run(capsys, "average", *files, "--out", tmp_path / "mean.pt")[0] == 0
    state = open_weights(str(tmp_path / "mean.pt")).checkpoint.model
    for name, tensor in tiny().state_dict().items():
        torch.testing.assert_close(state[name], tensor + 2 if tensor.is_floating_point() else tensor)


def test_weights_of_different_networks_are_not_averaged(capsys, old, tmp_path):
    (tmp_path / "two.pt").write_bytes(legacy_bytes(LegacyContent(tiny(num_classes=2), NAMES[:2])))
    assert "another network" in run(capsys, "average", old, tmp_path / "two.pt")[2]
    (tmp_path / "renamed.pt").write_bytes(legacy_bytes(LegacyContent(tiny(), ("x", "y", "z"))))
    assert "other classes" in run(capsys, "average", old, tmp_path / "renamed.pt")[2]
    assert run(capsys, "average", old)[0] == 2


def test_tensors_alone_are_opened_but_do_not_say_their_network(tmp_path):
    write_safetensors(tmp_path / "t.safetensors", tiny().state_dict(), {})
    weights = open_weights(str(tmp_path / "t.safetensors"))
    assert same_bits(weights.checkpoint.model, tiny().state_dict())
    with pytest.raises(WeightsError, match="does not say of which network"):
        spec_of_weights(weights)


def test_a_safetensors_header_is_taken_at_its_word_only_within_reason(tmp_path):
    def described(**changes: object):
        kept = {
            "network": "nc: 3",
            "names": list(NAMES),
            "strides": [8, 16],
            "evaluation": {"imgsz": 64, "iou_thres": 0.6, "precision": "fp32"},
        }
        write_safetensors(
            tmp_path / "h.safetensors", tiny().state_dict(), {"boxwright": json.dumps({**kept, **changes})}
        )
        return open_weights(str(tmp_path / "h.safetensors")).checkpoint

    assert described().evaluation.given() == {"imgsz": 64, "iou_thres": 0.6, "precision": "fp32"}
    assert described(evaluation={"dtype": "uint16"}).evaluation.given() == {"dtype": "uint16"}
    senseless = {
        "imgsz": "x",
        "iou_thres": 7,
        "precision": "int3",
        "batch_size": -1,
        "pad": [],
        "data": "\0",
        "dtype": "uint3",
    }
    assert described(evaluation=senseless).evaluation.given() == {}
    assert described(strides={"a": 1}).network.strides is None
    for changes in ({"names": [1]}, {"network": None}, {"evaluation": 3}):
        with pytest.raises(WeightsError, match="damaged header"):
            described(**changes)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x10\0\0\0\0\0\0\0{", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}x"],
    ids=["empty", "cut", "noise", "more"],
)
def test_a_damaged_safetensors_file_is_one_line(capsys, tmp_path, content):
    (tmp_path / "t.safetensors").write_bytes(content)
    code, out, err = run(capsys, "inspect", tmp_path / "t.safetensors")
    assert code == 3
    assert out.count("\n") == 1
    assert not err


def test_strides_that_do_not_belong_to_the_network_are_refused(tmp_path):
    network = tiny()
    content = legacy_bytes(LegacyContent(network, NAMES))
    network.head.strides = (4, 8)
    (tmp_path / "x.pt").write_bytes(legacy_bytes(LegacyContent(network, NAMES)))
    (tmp_path / "y.pt").write_bytes(content)
    network_of_weights(open_weights(str(tmp_path / "y.pt")))
    with pytest.raises(WeightsError, match="strides"):
        network_of_weights(open_weights(str(tmp_path / "x.pt")))
