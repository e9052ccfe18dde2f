# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from boxwright.data.formats.voc import parse_voc
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.errors import DataError
from boxwright.geometry.polygons import box_xyxy, joined
from tests.support import datasets, formats

VENDORED = Path(__file__).parents[3] / "data" / "bccd_voc"


def area(outline: np.ndarray) -> float:
    x, y = outline[:, 0], outline[:, 1]
    return abs(float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum())) / 2


def require_equal(one, other):
    assert len(one) == len(other) > 0
    assert np.array_equal(one.classes, other.classes)
    assert np.array_equal(one.sizes_wh, other.sizes_wh)
    assert np.array_equal(one.first_object, other.first_object)
    assert np.abs(one.boxes - other.boxes).max() < 2e-6  # label files are written with six decimals


@pytest.mark.parametrize("split", ["train", "val"])
def test_three_formats_give_equal_tensors(tmp_path, split):
    yolo = open_split(read_dataset(datasets.write(tmp_path / "yolo", train=8, val=4)), split)
    coco = open_split(read_dataset(formats.write_coco(tmp_path / "coco")), split)
    voc = open_split(read_dataset(formats.write_voc(tmp_path / "voc")), split)
    require_equal(yolo, coco)
    require_equal(yolo, voc)


def test_a_coco_file_is_read_whole_only_once(tmp_path, monkeypatch):
    """Where the pictures lie and what the classes are called is found before, and needs no annotation."""
    place = formats.write_coco(tmp_path / "coco")
    monkeypatch.delattr("boxwright.data.formats.coco.read_coco")
    found = read_dataset(place)
    assert found.names == datasets.NAMES
    assert found.sources["train"][0].images == tmp_path / "coco" / "images" / "train"


@pytest.mark.parametrize("write", [formats.write_coco, formats.write_voc])
def test_crowds_and_difficult_objects_become_regions_to_ignore(tmp_path, write):
    index = open_split(read_dataset(write(tmp_path / "set")), "train")
    assert index.image_of_ignored.tolist() == [0]
    width, height = index[0].size_wh
    assert np.allclose(index[0].ignored, [[0, 5 / width, 5 / height, 10 / width, 10 / height]])
    assert not len(index[1].ignored)


def test_boxes_and_outlines_may_stand_in_one_json(tmp_path):
    index = open_split(read_dataset(formats.write_coco(tmp_path / "coco")), "train")
    kinds = {len(outline) for record in index for outline in record.polygons}
    assert kinds == {0, 4}


def test_real_voc_files_equal_their_label_files(tmp_path):
    yaml = tmp_path / "bccd.yaml"
    yaml.write_text(f"path: {VENDORED}\nformat: voc\ntrain: ImageSets/Main/train.txt\nnames: [RBC, WBC, Platelets]\n")
    index = open_split(read_dataset(yaml, needed=("train",)), "train", cached=False)
    for record in index:
        rows = np.loadtxt(VENDORED / "labels" / f"{Path(record.path).stem}.txt", ndmin=2)
        assert np.array_equal(record.classes, rows[:, 0])
        assert np.abs(record.boxes_cxcywh_norm - rows[:, 1:]).max() < 1e-6
    assert [(Path(f.file).name, f.rule, f.action) for f in index.findings] == [
        ("BloodImage_00343.xml", "no-area", "box dropped")
    ]
    assert index.findings[0].line > 1


def test_a_voc_folder_needs_no_yaml_and_names_its_classes_alphabetically(tmp_path):
    formats.write_voc(tmp_path / "set")
    (tmp_path / "set" / "voc.yaml").unlink()
    dataset = read_dataset(tmp_path / "set")
    assert dataset.names == ("blue", "green", "red")
    assert set(dataset.sources) == {"train", "val"}


def test_a_json_finds_the_sister_of_its_other_split(tmp_path):
    dataset = read_dataset(formats.write_coco(tmp_path / "set"))
    assert {split: found[0].place.name for split, found in dataset.sources.items()} == {
        "train": "instances_train.json",
        "val": "instances_val.json",
    }
    assert dataset.names == datasets.NAMES


def test_a_folder_of_coco_annotations_needs_no_yaml(tmp_path):
    one = formats.write_coco(tmp_path / "set")
    for name in ("captions_train.json", "captions_val.json", "all.json", "person_keypoints_train.json"):
        (one.parent / name).write_text("{}")
    dataset = read_dataset(tmp_path / "set")
    assert {split: found[0].place.name for split, found in dataset.sources.items()} == {
        "train": "instances_train.json",
        "val": "instances_val.json",
    }


def test_a_folder_of_annotations_that_could_be_read_in_two_ways_is_not_guessed_at(tmp_path):
    one = formats.write_coco(tmp_path / "set")
    for split in ("train", "val"):
        (one.parent / f"instances_{split}.json").rename(one.parent / f"one_{split}.json")
        (one.parent / f"other_{split}.json").write_text("{}")
    with pytest.raises(DataError, match="Name one of them"):
        read_dataset(tmp_path / "set")


def test_bridges_change_neither_box_nor_area():
    parts = [
        np.array([[0, 0], [4, 0], [4, 4], [0, 4.0]]),
        np.array([[8, 8], [9, 8], [9, 10.0]]),
        np.array([[6, 0], [7, 0], [7, 1], [6, 1.0]]),
    ]
    whole = joined(parts)
    assert np.isclose(area(whole), sum(area(part) for part in parts))
    assert np.array_equal(box_xyxy(whole), [0, 0, 9, 10])


ENTITIES = '<?xml version="1.0"?>\n<!DOCTYPE a [\n<!ENTITY x SYSTEM "file:///etc/passwd">\n]>\n<annotation><object><name>&x;</name></object></annotation>'
LAUGHS = '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><annotation>&b;</annotation>'


@pytest.mark.parametrize("text", [ENTITIES, LAUGHS])
def test_xml_that_declares_entities_is_refused(text):
    with pytest.raises(DataError, match="entities"):
        parse_voc(text.encode())


@pytest.mark.parametrize("text", ["<annotation>", "", "<a><b></a>", "<annotation>" + "<x>" * 100])
def test_xml_that_is_not_well_formed_has_a_line(text):
    with pytest.raises(DataError) as found:
        parse_voc(text.encode())
    assert found.value.where.isdigit()


def test_an_image_whose_annotations_are_all_broken_teaches_nothing(tmp_path):
    yaml = formats.write_voc(tmp_path / "set")
    (tmp_path / "set/Annotations/train_001.xml").write_text("<annotation>\n<object>")
    index = open_split(read_dataset(yaml), "train")
    assert [(Path(f.file).name, f.line, f.rule) for f in index.findings] == [
        ("train_001.xml", 2, "annotation"),
        ("train_001.png", None, "no-usable-label"),
    ]
    assert (len(index), index.skipped) == (7, 1)


BAD_JSON = {
    "not JSON": ("{", "not valid JSON"),
    "a list": ("[]", "holds no 'images'"),
    "no images": ('{"images": [], "annotations": [], "categories": []}', "'id' and 'file_name'"),
    "no categories": ('{"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}', "no list 'categories'"),
    "nested": ("[" * 100_000, "not valid JSON"),
    "odd category": (
        '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": [{"id": "x"}]}',
        "whole number 'id'",
    ),
}


@pytest.mark.parametrize("case", BAD_JSON)
def test_a_json_that_is_no_coco_file_is_refused_by_name(tmp_path, case):
    text, message = BAD_JSON[case]
    (tmp_path / "instances_train.json").write_text(text)
    with pytest.raises(DataError, match=message) as found:
        read_dataset(tmp_path / "instances_train.json", needed=("train",))
    assert "instances_train.json" in str(found.value)


def faulty(annotation: dict, tmp_path: Path):
    file = formats.write_coco(tmp_path / "set")
    document = json.loads(file.read_text())
    usual = {"id": 5000, "image_id": 10, "category_id": 3, "bbox": [0, 0, 20, 20], "iscrowd": 0}
    document["annotations"].append({**usual, **annotation})
    file.write_text(json.dumps(document, indent=1))
    index = open_split(read_dataset(file), "train")
    line = next(
        number for number, text in enumerate(file.read_text().splitlines()) if '"id": 5000' in text
    )  # of the brace before it
    return [(f.rule, f.action, f.line == line) for f in index.findings]


@pytest.mark.parametrize(
    ("annotation", "finding"),
    [
        ({"bbox": None}, ("annotation", "box dropped", True)),
        ({"bbox": [0, 0, 0, 5]}, ("no-area", "box dropped", True)),
        ({"bbox": [-0.5, 0, 20, 20]}, ("slightly-outside", "box clipped", True)),
        ({"bbox": [-30, 0, 60, 20]}, ("outside", "box dropped", True)),
        ({"category_id": 99}, ("class", "box dropped", True)),
        ({"segmentation": [[50, 50, 60, 50, 60, 60]]}, ("outline", "kept", True)),
        ({"bbox": [float("nan"), 0, 5, 5]}, ("not-finite", "box dropped", True)),
    ],
)
def test_a_faulty_annotation_is_named_with_its_line(tmp_path, annotation, finding):
    assert faulty(annotation, tmp_path) == [finding]
