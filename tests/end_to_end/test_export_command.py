# SPDX-License-Identifier: Apache-2.0
"""Networks for other programs.

Every format says what the network says, everywhere a network is asked for, or is not left behind.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import boxwright
from boxwright.geometry.nms import NmsRules, detections
from boxwright.infer.ensemble import Ensemble
from boxwright.infer.exported import open_exported
from boxwright.runs.exporting import format_writers
from boxwright.runs.inputs.open_weights import network_of_weights, open_weights
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.structures.passport import KEY, Passport
from boxwright.system.onnx_file import require_packages
from tests.support import datasets
from tests.support.commands import command, done
from tests.support.exports import ENDINGS, GRAPHS, checkpoint, live, texture, write_textures

CPU = torch.device("cpu")
SMALL = 1e-3  # of an AP: places on grey borders are answered alike, and the last bit says which comes first
LOW = ("--conf-thres", "0.001")  # a network of random weights is sure of nothing


class Ground:
    """One network in every format, fixed and dynamic, made once."""

    def __init__(self, folder: Path) -> None:
        self.data = write_textures(folder / "data", checkpoint(folder / "best.pt", live()))
        self.weights = checkpoint(folder / "best.pt", live(), self.data)
        self.fixed, self.dynamic = folder / "fixed", folder / "dynamic"
        self.said = done(
            "export",
            self.weights,
            "--format",
            *ENDINGS,
            "--batch",
            4,
            "--out",
            self.fixed,
            "--licence",
            "CC-BY-4.0",
            *LOW,
            "--json",
        )
        done("export", "--weights", self.weights, "--include", *GRAPHS, "--dynamic", "--out", self.dynamic, *LOW)


@pytest.fixture(scope="session")
def ground(tmp_path_factory) -> Ground:
    return Ground(tmp_path_factory.mktemp("exported"))


def image(height: int, width: int, count: int = 1) -> torch.Tensor:
    pictures = [texture(number, (width, height)) for number in range(count)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def network(ground: Ground) -> Ensemble:
    return Ensemble([network_of_weights(open_weights(str(ground.weights)))], CPU)


def validated(path: Path, *words: object) -> dict:
    return json.loads(done("val", path, "--noplots", "--workers", 0, "--json", *words).out)


# -- what is said and written


def test_every_file_was_run_beside_the_network_before_it_was_announced(ground):
    said = json.loads(ground.said.out)
    assert said["compared_on"] == f"images of {ground.data}"
    assert [one["format"] for one in said["files"]] == list(ENDINGS)
    for one in said["files"]:
        assert Path(one["file"]) == ground.fixed / f"best{ENDINGS[one['format']]}"
        assert one["bytes"] >= Path(one["file"]).stat().st_size
        assert one["difference"] <= 1e-4
        assert one["detections"] > 20
        assert one["images"] == 6


@pytest.mark.parametrize("word", GRAPHS)
def test_a_graph_says_what_it_is(ground, word):
    passport = open_exported(ground.fixed / f"best{ENDINGS[word]}").passport
    assert passport.names == datasets.NAMES
    assert passport.strides == (8, 16)
    assert passport.anchors_px[1][2] == (59, 119)
    assert (passport.image_size, passport.batch, passport.dynamic, passport.input_channels) == (64, 4, False, 3)
    assert (passport.licence, passport.network, passport.suppression) == ("CC-BY-4.0", "tiny", None)
    assert "data" not in passport.evaluation, "where a data set lies is nobody else's business"
    assert open_exported(ground.dynamic / f"best{ENDINGS[word]}").passport.dynamic


def test_other_programs_find_the_usual_words_in_an_onnx_file(ground):
    found = {one.key: one.value for one in onnx.load(ground.fixed / "best.onnx").metadata_props}
    assert json.loads(found["names"]) == list(datasets.NAMES)
    assert (found["stride"], found["imgsz"], found["license"]) == ("16", "64", "CC-BY-4.0")
    session = onnxruntime.InferenceSession(ground.fixed / "best.onnx", providers=["CPUExecutionProvider"])
    assert [one.name for one in (*session.get_inputs(), *session.get_outputs())] == ["images", "predictions"]
    assert session.get_inputs()[0].shape == [4, 3, 64, 64]


# -- the same network


@torch.no_grad()
@pytest.mark.parametrize("word", GRAPHS)
def test_dynamic_graphs_take_any_number_of_images_of_any_size(ground, word):
    exported = open_exported(ground.dynamic / f"best{ENDINGS[word]}")
    for shape in ((64, 64, 1), (96, 160, 3), (128, 32, 2)):
        pixels = image(*shape)
        assert torch.allclose(exported(pixels).decoded, network(ground)(pixels).decoded, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("word", GRAPHS)
def test_graphs_of_a_fixed_batch_take_any_number_of_images(ground, word):
    exported = open_exported(ground.fixed / f"best{ENDINGS[word]}")
    for count in (1, 4, 6):
        pixels = image(64, 64, count)
        assert torch.allclose(exported(pixels).decoded, network(ground)(pixels).decoded, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("word", ENDINGS)
def test_val_of_an_export_is_val_of_its_checkpoint(ground, word):
    folder = ground.dynamic if word in GRAPHS else ground.fixed
    expected = validated(ground.weights)["metrics"]
    found = validated(folder / f"best{ENDINGS[word]}", "--data", ground.data, "--imgsz", 64, "--batch", 4)["metrics"]
    assert found == pytest.approx(expected, abs=SMALL)
    assert expected["metrics/mAP_0.5"] > 0.03, "both have to find something, else this proves nothing"


@pytest.mark.parametrize("word", GRAPHS)
def test_val_of_a_fixed_size_is_that_of_square_images(ground, word):
    expected = validated(ground.weights, "--square")
    found = validated(ground.fixed / f"best{ENDINGS[word]}", "--data", ground.data)
    assert found["metrics"] == pytest.approx(expected["metrics"], abs=SMALL)
    assert found["settings"]["square"]
    assert expected["metrics"] != validated(ground.weights)["metrics"]


@pytest.mark.parametrize("word", GRAPHS)
def test_predict_and_python_take_exported_networks(ground, word):
    source = ground.data.parent / "images" / "val"
    words = ("--source", source, "--nosave", "--json", *LOW)
    expected, found = (
        json.loads(done("predict", "--weights", path, *words).out)["images"]
        for path in (ground.weights, ground.dynamic / f"best{ENDINGS[word]}")
    )
    for one, other in zip(expected, found, strict=True):
        assert Counter(record["class"] for record in one["detections"]) == Counter(
            record["class"] for record in other["detections"]
        )
        boxes, others = (np.array([record["box_xyxy_px"] for record in image["detections"]]) for image in (one, other))
        assert len(boxes) == len(others) > 3
        assert np.abs(boxes[:, None] - others[None]).max(-1).min(1).max() < 0.05
    path = min(source.iterdir())
    detect = boxwright.load(ground.fixed / f"best{ENDINGS[word]}")
    assert detect.names == datasets.NAMES
    assert len(detect(path, min_score=0.001)) > 0


def test_exported_and_trained_networks_predict_together(ground):
    alone = validated(ground.weights)["metrics"]
    both = json.loads(
        done(
            "val", "--weights", ground.weights, ground.dynamic / "best.onnx", "--noplots", "--workers", 0, "--json"
        ).out
    )
    assert both["metrics"] == pytest.approx(alone, abs=SMALL)


# -- suppression in the graph


@pytest.mark.parametrize(
    ("shape", "agnostic"), [((), True), (("--dynamic",), False), (("--batch", "2"), False)], ids=str
)
def test_suppression_in_the_graph_is_ours(ground, shape, agnostic):
    words = (
        "--nms",
        *LOW,
        "--iou-thres",
        0.3,
        "--max-det",
        20,
        "--candidates",
        60,
        *(["--agnostic-nms"] if agnostic else []),
    )
    done("export", ground.weights, "--format", "onnx", "--out", "graph", *words, *shape)
    exported = open_exported(Path("graph/best.onnx"))
    rules = NmsRules(0.001, 0.3, 20, agnostic=agnostic, max_candidates=60)
    pixels = image(64, 64, 3)
    rows = exported.answers(pixels)
    assert rows.shape == (3, 20, 6)
    with torch.no_grad():
        expected = [detections(one, rules)[0] for one in network(ground)(pixels).decoded]
    for one, other in zip(expected, rows, strict=True):
        assert len(one) > 3
        assert torch.allclose(one, other[: len(one)], atol=1e-3)
        assert not other[len(one) :].any()


def test_rows_of_a_graph_with_suppression_are_what_predict_shows(ground):
    done("export", ground.weights, "--format", "onnx", "--nms", *LOW, "--out", "graph", "--dynamic")
    words = ("--source", ground.data.parent / "images" / "val", "--nosave", "--json", *LOW, "--max-det", 300)
    expected, found = (
        json.loads(done("predict", "--weights", path, *words).out)["images"]
        for path in (ground.weights, Path("graph/best.onnx"))
    )
    assert [len(one["detections"]) for one in found] == [len(one["detections"]) for one in expected]
    said = command("val", "graph/best.onnx", "--data", ground.data, "--noplots", "--workers", 0)
    assert said.code == 0
    assert "holds its suppression" in said.err


# -- half precision, other data


def test_half_precision_is_smaller_and_near(ground):
    said = json.loads(
        done("export", ground.weights, "--format", *ENDINGS, "--half", "--out", "half", *LOW, "--json").out
    )
    for one in said["files"]:
        assert 0 < one["difference"] <= 5e-2
        if one["format"] in GRAPHS:
            assert open_exported(Path(one["file"])).passport.half
        else:  # of a graph this small the numbers are the least part
            assert one["bytes"] < 0.9 * (ground.fixed / Path(one["file"]).name).stat().st_size


def test_without_a_data_set_it_is_compared_on_drawn_images(tmp_path):
    weights = checkpoint(tmp_path / "best.pt", live(), tmp_path / "gone.yaml")
    said = json.loads(done("export", weights, "--format", "safetensors", "--json").out)
    assert said["compared_on"] == "drawn images"
    assert (tmp_path / "best.safetensors").is_file()
    assert command("export", weights, "--format", "onnx", "--data", tmp_path / "gone.yaml").code == 2


# -- refusals


def drifted(word: str, by: float):
    """The writer of a format, of a network with one weight changed."""

    def write(path: Path, source: format_writers.Source) -> None:
        other = network_of_weights(source.weights)
        with torch.no_grad():
            other.head.m[0].weight.mul_(1 + by)
        weights = OpenWeights(path, replace(source.weights.checkpoint, model=dict(other.state_dict())))
        WRITERS[word](path, format_writers.Source(weights, other, source.passport))

    return write


WRITERS = dict(format_writers.WRITERS)


@pytest.mark.parametrize("word", ENDINGS)
def test_a_file_that_drifts_is_refused_and_removed(ground, monkeypatch, word):
    monkeypatch.setitem(format_writers.WRITERS, word, drifted(word, 0.05))
    said = command("export", ground.weights, "--format", word, "--out", "new", *LOW)
    assert said.code == 1
    assert "says something else than the network (predictions differ by" in said.err
    assert said.err.count("\n") == 1
    assert not list(Path("new").iterdir())
    monkeypatch.setitem(format_writers.WRITERS, word, drifted(word, 0.0))
    assert command("export", ground.weights, "--format", word, "--out", "new", *LOW).code == 0


def test_suppression_that_drifts_is_refused(ground, monkeypatch):
    monkeypatch.setitem(format_writers.WRITERS, "onnx", drifted("onnx", 0.05))
    said = command("export", ground.weights, "--format", "onnx", "--nms", "--out", "new", *LOW)
    assert said.code == 1
    assert "detections differ" in said.err
    assert not list(Path("new").iterdir())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--format", "coreml"), "only macOS runs CoreML"),
        (("--format", "onnx", "torchscript", "--nms"), "torchscript files carry no suppression"),
        (("--format", "onnx", "--dynamic", "--batch", "2"), "with --dynamic any number of images"),
        (("--format", "tflite"), "Give one or more of safetensors, torchscript"),
        ((), "--format: is missing"),
    ],
)
def test_what_cannot_be_is_one_line_and_nothing_is_written(ground, words, says):
    said = command("export", ground.weights, "--out", "new", *words)
    assert said.code == 2
    assert says in said.err
    assert said.err.count("\n") == 1
    assert not Path("new").exists()


def test_a_missing_extra_is_one_line_that_says_what_to_install(ground, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in {"onnx", "openvino"} else find(name, *rest)
    )
    for word, missing in (("onnx", "onnx"), ("openvino", "onnx openvino")):
        said = command("export", ground.weights, "--format", "safetensors", word, "--out", "new")
        assert said.code == 2
        assert f"pip install {missing}" in said.err
        assert said.err.count("\n") == 1
        assert not Path("new").exists()
    require_packages("--format onnx", "onnxruntime")


def test_files_are_not_replaced_unasked(ground):
    words = ("export", ground.weights, "--format", "safetensors", "--out", "new", *LOW)
    done(*words)
    said = command(*words)
    assert said.code == 2
    assert "exists" in said.err
    done(*words, "--exist-ok")


def foreign_onnx(path: Path, metadata: dict[str, str] | None = None) -> Path:
    """A small graph that this program did not write."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    outputs = helper.make_tensor_value_info("y", kind, [1, 3, 64, 64])
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", kind, [1, 3, 64, 64])],
        [outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def test_files_of_others_are_one_line(ground):
    words = ("--data", ground.data, "--noplots", "--workers", 0)
    passport = Passport(datasets.NAMES, (8, 16), (((10.0, 13.0),), ((30.0, 61.0),)), 3, 64, 1)
    damaged = {KEY: passport.words()[KEY].replace("[8, 16]", '["a"]')}
    newer = {KEY: passport.words()[KEY].replace('"version": 1', '"version": 2')}
    cases = {
        "was not exported by this program": foreign_onnx(Path("foreign.onnx")),
        "in words that make no sense": foreign_onnx(Path("damaged.onnx"), damaged),
        "format version 2, this program reads 1": foreign_onnx(Path("newer.onnx"), newer),
        "answers in the shape": foreign_onnx(Path("other.onnx"), passport.words()),
        "is no ONNX network": Path("words.onnx"),
        "is no TorchScript file that this program wrote": Path("words.torchscript"),
        "there is no such file": Path("none.onnx"),
    }
    for path in (Path("words.onnx"), Path("words.torchscript")):
        path.write_text("words")
    for says, path in cases.items():
        said = command("val", path, *words)
        assert said.code == 2, says
        assert says in said.err
        assert said.err.count("\n") == 1


def test_exported_networks_do_what_they_can_and_say_what_not(ground):
    fixed = ground.fixed / "best.onnx"
    for words, says in (
        (("val", fixed, "--imgsz", 96), "takes images of 64 pixels alone"),
        (("val", ground.dynamic / "best.onnx", "--augment"), "looks once"),
        (("train", "--weights", fixed, "--data", ground.data), "is an exported network"),
        (("weights", "inspect", fixed), "is an exported network"),
    ):
        said = command(*words)
        assert says in said.err + said.out
        assert said.code in {2, 3}


def test_grey_pictures_of_one_channel_are_exported_too(tmp_path):
    weights = checkpoint(tmp_path / "best.pt", live(in_channels=1))
    data = json.loads(done("export", weights, "--format", *GRAPHS, "--json").out)
    assert all(one["difference"] <= 1e-4 for one in data["files"])
