# SPDX-License-Identifier: Apache-2.0
"""COCO results bear the ids of the annotations they were validated on, so that the official evaluator opens them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boxwright.metrics.coco import NAMES as NUMBERS
from boxwright.runs.inputs.coco_ids import ids_of_annotations
from boxwright.runs.inputs.open_data import open_data
from tests.oracles.official_coco import official
from tests.support import datasets, formats
from tests.support.commands import done
from tests.support.weights import called, lively


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return called(tmp_path_factory.mktemp("weights") / "weights.pt", lively(), datasets.NAMES)


@pytest.fixture
def coco(tmp_path) -> Path:
    """A data set whose images have ids in no order, two of them one name, and whose YAML orders classes otherwise."""
    place = formats.write_coco(tmp_path / "set", train=2, val=4).with_name("instances_val.json")
    document = json.loads(place.read_text())
    images = tmp_path / "set/images/val"
    (images / "b").mkdir()
    (images / "001.png").rename(images / "b/000.png")
    ids = {10: 703, 11: 5, 12: 91, 13: 12}
    for image in document["images"]:
        image["file_name"] = {"001.png": "b/000.png"}.get(image["file_name"], image["file_name"])
        image["id"] = ids[image["id"]]
    for annotation in document["annotations"]:
        annotation["image_id"] = ids[annotation["image_id"]]
        annotation["segmentation"] = []  # outlines of whole pixels are kept in single precision here
    document["images"].reverse()
    document["categories"].reverse()
    place.write_text(json.dumps(document))
    yaml = tmp_path / "set/data.yaml"
    yaml.write_text(
        "train: annotations/instances_train.json\nval: annotations/instances_val.json\n"
        "images: {train: images/train, val: images/val}\nnames: [green, red, blue]\n"
    )
    return yaml


def test_results_of_val_open_with_the_official_evaluator_as_they_lie(coco, weights, tmp_path):
    words = ("--match-names", "--save-json", "--noplots", "--workers", 0, "--device", "cpu", "--json")
    said = done("val", weights, "--data", coco, *words, "--project", tmp_path / "val")
    results = json.loads((tmp_path / "val/exp/weights_predictions.json").read_text())
    truth = json.loads((coco.parent / "annotations/instances_val.json").read_text())
    assert {row["image_id"] for row in results} == {703, 5, 91, 12}
    assert {row["category_id"] for row in results} == set(formats.CATEGORY_IDS)
    mine = json.loads(said.out)["metrics"]
    assert mine["coco/AP"] > 0
    theirs = official(truth, results)  # where two scores are equal it goes by image id, and ours by name
    assert {name: mine[f"coco/{name}"] for name in NUMBERS} == pytest.approx(theirs, abs=1e-4)


def test_ids_that_cannot_be_told_are_our_own_numbers_and_that_is_said(coco, tmp_path):
    place = coco.parent / "annotations/instances_val.json"
    assert ids_of_annotations(open_data(str(coco), ("val",)), "val").told == f"with the ids of {place}"
    merged = ids_of_annotations(open_data(str(coco), ("val",), single_class=True), "val")
    assert (merged.categories, merged.category(0)) == ({}, 0)
    assert "classes numbered from 0, since several categories are one class" in merged.told
    document = json.loads(place.read_text())
    for image in document["images"]:
        image["id"] = 1
    place.write_text(json.dumps(document))
    twice = ids_of_annotations(open_data(str(coco), ("val",)), "val")
    assert (twice.images, twice.told) == ({}, f"images and classes numbered from 0, since {place} give ids twice")
    plain = ids_of_annotations(open_data(str(datasets.write(tmp_path / "plain", train=1, val=2)), ("val",)), "val")
    assert (plain.image("x", 3), plain.told) == (3, "images and classes numbered from 0")


def test_renamed_dropped_and_unknown_classes_keep_ids_apart(coco):
    text = coco.read_text().replace("[green, red, blue]", "[green, red, blue, violet]")
    coco.write_text(f"{text}rename: {{red: scarlet}}\ndrop: [blue]\n")
    data = open_data(str(coco), ("val",))
    assert data.names == ("green", "scarlet", "violet")
    assert ids_of_annotations(data, "val").categories == {"green": 20, "scarlet": 3, "violet": 21}


def test_the_end_of_a_coco_training_takes_the_same_ids(coco, tmp_path):
    yaml = coco.with_name("coco.yaml")
    coco.rename(yaml)
    words = ("--recipe", "2020.8", "--cfg", datasets.write_model(tmp_path), "--imgsz", 64, "--batch", 2, "--epochs", 1)
    more = ("--workers", 0, "--device", "cpu", "--noplots", "--noautoanchor", "coco_rule=data-path")
    said = done("train", "--data", yaml, *words, *more, "--project", tmp_path / "runs")
    (place,) = Path(said.lines[-1]).glob("*_predictions.json")
    assert {row["image_id"] for row in json.loads(place.read_text())} <= {703, 5, 91, 12}
    assert f"predictions in {place}, with the ids of {coco.parent}/annotations/instances_val.json" in said.out
