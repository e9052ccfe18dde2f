# SPDX-License-Identifier: Apache-2.0
"""Pictures in two splits, and splits in which there is nothing to find: told before anything is trained."""

from __future__ import annotations

import json
import shutil

import pytest

from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split, require_objects
from boxwright.data.splits.overlap import overlaps
from boxwright.errors import DataError
from tests.support import datasets, formats
from tests.support.commands import command


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=4, val=3)
    return tmp_path / "set"


def told(root, **splits: str) -> list[str]:
    lines = {"train": "images/train", "val": "images/val"} | splits
    (root / "data.yaml").write_text("".join(f"{k}: {v}\n" for k, v in lines.items()) + "names: [red, blue, green]\n")
    dataset = read_dataset(root / "data.yaml", needed=())
    found = overlaps(dataset, {split: open_split(dataset, split) for split in dataset.sources})
    return [f"{split}: {finding.text}" for split, finding in found]


def test_pictures_in_two_splits_are_told_by_what_is_in_them_and_not_by_their_names(root):
    assert told(root) == []
    shutil.copy(root / "images/train/001.png", root / "images/val/901.png")
    assert told(root)[0].startswith(
        "val: 1 of the 4 images of split 'val' are in split 'train' as well (901.png is 001.png, for example): "
        "what was trained on is measured again"
    )


def test_a_validation_split_that_is_the_training_split_is_told(root):
    assert told(root, val="images/train")[0].startswith("val: split 'val' is the same 4 images as split 'train'")
    assert [line[:5] for line in told(root, test="images/val")] == ["test:"]


def test_data_check_and_a_training_tell_it_and_strict_refuses_it(root):
    told(root, val="images/train")
    words = ("--data", root / "data.yaml", "--cfg", datasets.write_model(root), "--imgsz", 64, "--device", "cpu")
    check = command("data", "check", root / "data.yaml", "--json")
    assert [one["rule"] for one in json.loads(check.out)["findings"]] == ["overlap"]
    assert check.code == 0
    said = command("train", *words, "--dry-run")
    assert (said.code, "split 'val' is the same 4 images as split 'train'" in said.out) == (0, True)
    assert command("data", "check", root / "data.yaml", "--strict").code == 3
    refused = command("train", *words, "--dry-run", "--strict")
    assert (refused.code, "is the same 4 images" in refused.err) == (3, True)


# -- nothing to find


def nothing_in(root, *, removed: int = 0) -> None:
    for number, label in enumerate(sorted(root.glob("labels/*/*.txt"), reverse=True)):
        label.write_text("")
        if number < removed:
            label.unlink()


def test_label_files_that_are_all_empty_are_backgrounds_and_nobody_is_sent_to_where_they_lie(root):
    nothing_in(root)
    dataset = read_dataset(root / "data.yaml")
    with pytest.raises(DataError) as caught:
        require_objects(open_split(dataset, "train"), dataset, "train")
    assert "none of its 4 images has an object: 4 label files hold none (such as " in caught.value.what
    assert "All of them are backgrounds" in caught.value.what
    assert "learns to find nothing" in caught.value.remedy
    assert "There is" not in str(caught.value)
    assert "labels:" not in str(caught.value)
    code, out, _ = command("data", "check", root / "data.yaml", "--json")
    fixes = [one["fix"] for one in json.loads(out)["findings"]]
    assert (code, len(fixes)) == (3, 2)
    assert not any("There is" in fix for fix in fixes)
    assert "every number is 0" in fixes[1]


def test_some_empty_files_beside_images_without_one_are_counted(root):
    nothing_in(root, removed=2)  # of val is one left, of train two
    (root / "labels/train/000.txt").unlink()
    dataset = read_dataset(root / "data.yaml")
    with pytest.raises(DataError, match=r"3 label files hold none .*, 1 have no label file.*to find nothing"):
        require_objects(open_split(dataset, "train"), dataset, "train")


def test_annotations_that_name_no_object_are_backgrounds_too(tmp_path):
    place = formats.write_coco(tmp_path / "set", train=3, val=2)
    document = json.loads(place.read_text())
    place.write_text(json.dumps({**document, "annotations": []}))
    dataset = read_dataset(place)
    with pytest.raises(DataError, match=r"none of its 3 images has an object: .*instances_train\.json names none"):
        require_objects(open_split(dataset, "train"), dataset, "train")


def test_a_validation_split_of_backgrounds_says_what_its_numbers_will_be(root):
    for label in root.glob("labels/val/*.txt"):
        label.write_text("")
    words = ("--data", root / "data.yaml", "--cfg", datasets.write_model(root), "--imgsz", 64, "--device", "cpu")
    said = command("train", *words, "--dry-run")
    assert said.code == 0, said.err
    assert "split 'val': none of its 3 images has an object" in said.out
    assert "every number is 0, and no epoch is better than another" in said.out
