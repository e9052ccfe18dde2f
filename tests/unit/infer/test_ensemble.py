# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch
import yaml

import boxwright
from boxwright import cli
from boxwright.errors import UserError, WeightsError
from boxwright.infer.ensemble import Ensemble, require_alike
from boxwright.model.augmented import augmented
from boxwright.model.detector import Detector, build
from boxwright.model.fuse import fused
from boxwright.system.tensors import write_tensors
from tests.support import datasets
from tests.support.networks import network, tiny, tiny_spec

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def images(*shape: int) -> torch.Tensor:
    return torch.linspace(0, 1, 3 * 64 * 96 * 2).reshape(2, 3, 64, 96)[: shape[0] if shape else 2]


def live(seed: int) -> Detector:
    """A network with statistics of real maps, so that it answers to what it sees."""
    detector = build(tiny_spec(), seed=seed).train()
    with torch.no_grad():
        for _ in range(20):
            detector.features(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(seed)))
    return detector.eval()


@torch.no_grad()
def test_one_network_alone_answers_as_itself():
    detector = live(1)
    assert torch.allclose(Ensemble([detector], CPU)(images()).decoded, fused(detector)(images()).decoded, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("augment", [False, True])
def test_members_answer_side_by_side(augment):
    members = [live(1), live(2)]
    answer = Ensemble(members, CPU, augment=augment)(images()).decoded
    alone = [augmented(fused(member), images()) if augment else fused(member)(images()).decoded for member in members]
    assert answer.shape[1] == sum(one.shape[1] for one in alone)
    assert torch.allclose(answer, torch.cat(alone, 1), atol=1e-4)
    assert not torch.allclose(alone[0], alone[1], atol=1e-2)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (tiny(num_classes=4), "has 4 classes where a.pt has 3"),
        (tiny(in_channels=1), "has 1 input channels where a.pt has 3"),
        (network("yolov5n", num_classes=3), "has 8, 16, 32 strides where a.pt has 8, 16"),
    ],
)
def test_networks_that_mean_something_else_are_refused(other, says):
    with pytest.raises(WeightsError) as caught:
        require_alike([tiny(), tiny(), other], ["a.pt", "b.pt", "c.pt"])
    assert str(caught.value).startswith("c.pt: " + says)
    assert "\n" not in str(caught.value)


def written(path: Path, detector: Detector, names: list[str], data: Path) -> Path:
    """A checkpoint as a training leaves it."""
    network = yaml.safe_dump(detector.spec.source, sort_keys=False)
    evaluation = {"data": str(data), "imgsz": 64, "batch_size": 4, "pad": 0.5}
    write_tensors(
        path,
        {
            "kind": "checkpoint",
            "epoch": -1,
            "network": network,
            "names": names,
            "model": dict(detector.state_dict()),
            "evaluation": evaluation,
        },
    )
    return path


@pytest.fixture
def ground(tmp_path):
    data = datasets.write(tmp_path / "data")
    names = list(datasets.NAMES)
    return {
        "first": written(tmp_path / "first.pt", live(1), names, data),
        "second": written(tmp_path / "second.pt", live(2), names, data),
        "renamed": written(tmp_path / "renamed.pt", live(2), names[::-1], data),
        "more": written(tmp_path / "more.pt", tiny(num_classes=4).eval(), [*names, "black"], data),
        "images": tmp_path / "data" / "images" / "val",
    }


def run(capsys, *words: object) -> tuple[int, dict, str]:
    code = cli.main([*map(str, words), "--json"])
    printed = capsys.readouterr()
    return code, json.loads(printed.out) if printed.out else {}, printed.err


@pytest.mark.parametrize("augment", [(), ("--augment",)], ids=["plain", "augment"])
def test_a_network_beside_itself_says_nothing_new(capsys, ground, augment):
    first, words = ground["first"], ("--noplots", "--workers", "0", *augment)
    _, alone, _ = run(capsys, "val", first, *words)
    code, twice, _ = run(capsys, "val", "--weights", first, first, *words)
    assert code == 0
    assert twice["metrics"] == alone["metrics"]
    assert alone["settings"]["augment"] is bool(augment)
    seen = ("--source", ground["images"], "--nosave", "--conf-thres", "0.0005", *augment)
    _, alone, _ = run(capsys, "predict", "--weights", first, *seen)
    code, twice, _ = run(capsys, "predict", "--weights", first, first, *seen)
    assert code == 0
    assert [one["detections"] for one in twice["images"]] == [one["detections"] for one in alone["images"]]
    assert sum(len(one["detections"]) for one in alone["images"]) > 0


def test_a_second_network_and_augmentation_change_what_is_found(capsys, ground):
    seen = ("--source", ground["images"], "--nosave", "--conf-thres", "0.0005")
    answers = [
        run(capsys, "predict", "--weights", *weights, *seen)[1]["images"]
        for weights in ([ground["first"]], [ground["first"], ground["second"]], [ground["first"], "--augment"])
    ]
    found = [[one["detections"] for one in answer] for answer in answers]
    assert found[0] != found[1]
    assert found[0] != found[2]


def test_networks_that_call_their_classes_differently_predict_together_only_when_told_how(capsys, ground):
    seen = ("--source", ground["images"], "--nosave", "--conf-thres", "0.0005")
    pair = ("predict", "--weights", ground["first"], ground["renamed"], *seen)
    code, _, err = run(capsys, *pair)
    assert code == 2
    assert err.startswith(f"error: {ground['renamed']}: its classes are not those of {ground['first']} ")
    assert "0 green / red, 1 blue / blue, 2 red / green; the same names in another order" in err
    assert "Give --match-names to go by name, or --names-by-position" in err
    by_number, by_name = (run(capsys, *pair, way)[1]["images"] for way in ("--names-by-position", "--match-names"))
    assert by_number != by_name
    with pytest.raises(UserError, match="match_names=True to go by name, or names_by_position=True"):
        boxwright.load([ground["first"], ground["renamed"]], device="cpu")
    model = boxwright.load([ground["first"], ground["renamed"]], device="cpu", match_names=True)
    assert [None if one is None else one.tolist() for one in model.predictor.network.columns] == [None, [2, 1, 0]]


def test_networks_with_another_number_of_classes_do_not_predict_together(capsys, ground):
    code, _, err = run(capsys, "val", "--weights", ground["first"], ground["more"], "--noplots")
    assert code == 2
    assert err.startswith(f"error: {ground['more']}: has 4 classes where {ground['first']} has 3")
    assert err.count("\n") == 1


def test_python_takes_several_networks_too(ground):
    pair = [ground["first"], str(ground["second"])]
    model = boxwright.load(pair, device="cpu", augment=True)
    assert len(model.predictor.network.members) == 2
    assert model.predictor.network.augment
    together = boxwright.validate(pair, workers=0, device="cpu")
    assert together["metrics"] != boxwright.validate(pair[0], workers=0, device="cpu")["metrics"]
