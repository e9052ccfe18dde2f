# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boxwright.data.sampling.batches import ShuffledBatches
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split, require_objects, sampling_weights
from boxwright.errors import DataError, FindingsError, UserError
from tests.support import datasets, formats

if TYPE_CHECKING:
    from pathlib import Path


def write(tmp_path: Path, more: str = "", names: str = "names: [red, blue, green]") -> Path:
    yaml = datasets.write(tmp_path / "set", train=8, val=4)
    yaml.write_text(f"path: .\ntrain: images/train\nval: images/val\n{names}\n{more}")
    return yaml


def counts(yaml: Path, split: str = "train") -> dict[str, int]:
    dataset = read_dataset(yaml)
    found = open_split(dataset, split).class_counts(dataset.num_classes)
    return dict(zip(dataset.names, found.tolist(), strict=True))


# -- classes


def test_classes_are_kept_dropped_merged_and_renamed_without_touching_a_file(tmp_path):
    plain = counts(write(tmp_path / "a"))
    assert counts(write(tmp_path / "b", "keep: [red, green]\n")) == {"red": plain["red"], "green": plain["green"]}
    assert counts(write(tmp_path / "c", "drop: [blue]\n")) == {"red": plain["red"], "green": plain["green"]}
    assert counts(write(tmp_path / "d", "merge:\n  warm: [red, green]\n")) == {
        "warm": plain["red"] + plain["green"],
        "blue": plain["blue"],
    }
    assert counts(write(tmp_path / "e", "rename:\n  red: crimson\n")) == {
        "crimson": plain["red"],
        "blue": plain["blue"],
        "green": plain["green"],
    }


def test_an_edit_that_names_no_class_says_which_was_meant(tmp_path):
    with pytest.raises(DataError, match=r"'gren'.*Did you mean 'green'"):
        read_dataset(write(tmp_path, "drop: [gren]\n"))


def test_several_sources_join_under_the_names_of_their_classes(tmp_path):
    datasets.write(tmp_path / "a", train=8, val=4)
    formats.write_coco(tmp_path / "b")
    yaml = tmp_path / "both.yaml"
    yaml.write_text(
        "sources:\n- data: a/data.yaml\n  drop: [blue]\n- data: b/annotations/instances_train.json\n  rename: {red: "
        "crimson}\n"
    )
    dataset = read_dataset(yaml)
    assert dataset.names == ("red", "green", "crimson", "blue")
    index = open_split(dataset, "train")
    alone = counts(tmp_path / "a/data.yaml")
    assert index.class_counts(4).tolist() == [alone["red"], 2 * alone["green"], alone["red"], alone["blue"]]
    assert index.source_of_image.tolist() == [0] * 8 + [1] * 8


def test_a_class_of_a_source_that_is_not_among_the_names_is_refused(tmp_path):
    datasets.write(tmp_path / "a")
    (tmp_path / "both.yaml").write_text("names: [red, blue]\nsources: [a/data.yaml]\n")
    with pytest.raises(DataError, match=r"'green'.*not among the names"):
        read_dataset(tmp_path / "both.yaml")


def test_images_are_drawn_from_sources_in_the_asked_ratio(tmp_path):
    datasets.write(tmp_path / "a", train=4, val=2)
    datasets.write(tmp_path / "b", train=12, val=2)
    (tmp_path / "both.yaml").write_text(
        "sources:\n- {data: a/data.yaml, weight: 3}\n- {data: b/data.yaml, weight: 1}\n"
    )
    dataset = read_dataset(tmp_path / "both.yaml")
    index = open_split(dataset, "train")
    order = ShuffledBatches(len(index), 4, 64, 0, sampling_weights(dataset, "train", index))
    drawn = np.concatenate([order.order(epoch) for epoch in range(200)])
    share = (index.source_of_image[drawn] == 0).mean()
    assert abs(share - 0.75) < 3 * np.sqrt(0.75 * 0.25 / len(drawn))


# -- policies


def label(tmp_path: Path, row: str) -> Path:
    yaml = tmp_path / "set/data.yaml"
    with (tmp_path / "set/labels/train/000.txt").open("a") as file:
        file.write(f"{row}\n")
    return yaml


CASES = {
    "outside": "0 1.0 0.5 0.2 0.2",
    "slightly-outside": "0 0.5 0.5 1.01 0.2",
    "not-finite": "0 nan 0.5 0.2 0.2",
    "class": "0.5 0.5 0.5 0.2 0.2",
    "class-range": "9 0.5 0.5 0.2 0.2",
}


@pytest.mark.parametrize(
    ("rule", "choice", "images", "more_boxes"),
    [
        ("outside", "drop box", 8, 0),
        ("outside", "clip", 8, 1),
        ("outside", "skip image", 7, None),
        ("slightly-outside", "clip", 8, 1),
        ("slightly-outside", "drop box", 8, 0),
        ("not-finite", "skip image", 7, None),
        ("class", "drop box", 8, 0),
        ("class-range", "drop box", 8, 0),
        ("class-range", "skip image", 7, None),
    ],
)
def test_a_policy_is_done_and_counted(tmp_path, rule, choice, images, more_boxes):
    yaml = write(tmp_path, f"policy:\n  {rule}: {choice}\n")
    before = open_split(read_dataset(yaml), "train")
    index = open_split(read_dataset(label(tmp_path, CASES[rule])), "train")
    assert len(index) == images
    assert index.skipped == 8 - images
    if more_boxes is not None:
        assert len(index.classes) == len(before.classes) + more_boxes
    words = {"drop box": "box dropped", "clip": "box clipped", "skip image": "image skipped"}
    assert [(f.rule, f.action) for f in index.findings] == [(rule, words[choice])]


@pytest.mark.parametrize("rule", CASES)
def test_a_policy_may_refuse(tmp_path, rule):
    yaml = write(tmp_path, f"policy:\n  {rule}: fail\n")
    label(tmp_path, CASES[rule])
    with pytest.raises(UserError, match=r"labels/train/000\.txt:\d"):
        open_split(read_dataset(yaml), "train")


def test_a_class_without_a_name_is_refused_before_anything_starts(tmp_path):
    yaml = write(tmp_path)
    label(tmp_path, CASES["class-range"])
    with pytest.raises(
        DataError, match=r"000\.txt:\d+: Label class 9 exceeds nc=3 in .*data\.yaml .*Possible classes are 0 to 2"
    ):
        open_split(read_dataset(yaml), "train")


def test_label_files_may_be_required(tmp_path):
    yaml = write(tmp_path, "policy: {no-label-file: fail}\n")
    (tmp_path / "set/labels/train/003.txt").unlink()
    with pytest.raises(FindingsError, match=r"003\.png.*there is no .*003\.txt"):
        open_split(read_dataset(yaml), "train")


@pytest.mark.parametrize(
    ("text", "match"),
    [("policy: {outsid: clip}", "Did you mean 'outside'"), ("policy: {class: clip}", "Choose one of: drop box")],
)
def test_a_policy_that_does_not_exist_is_refused(tmp_path, text, match):
    with pytest.raises(DataError, match=match):
        read_dataset(write(tmp_path, f"{text}\n"))


# -- rules from image to label


@pytest.mark.parametrize(("folder", "rule"), [("annos", "/images/ -> /annos/"), ("images", "beside")])
def test_the_way_from_image_to_label_can_be_said(tmp_path, folder, rule):
    yaml = write(tmp_path, f"labels: {rule}\n")
    for split in ("train", "val"):
        (tmp_path / "set" / folder / split).mkdir(parents=True, exist_ok=True)
        for file in (tmp_path / "set/labels" / split).iterdir():
            shutil.move(file, tmp_path / "set" / folder / split / file.name)
    assert len(open_split(read_dataset(yaml), "train").classes) > 5


# -- ten broken layouts, each with the hint that mends it


def edit(old: str, new: str):
    return lambda root: (root / "data.yaml").write_text((root / "data.yaml").read_text().replace(old, new))


def move(old: str, new: str):
    def act(root: Path) -> None:
        (root / new).parent.mkdir(exist_ok=True)
        (root / old).rename(root / new)

    return act


def move_labels(place: str, suffix: str = ""):
    def act(root: Path) -> None:
        for file in (root / "labels/train").iterdir():
            shutil.move(file, root / place / f"{file.stem}{suffix}.txt")

    return act


def only_an_xml_file(root: Path) -> None:
    shutil.rmtree(root / "labels")
    (root / "images/train/000.xml").write_text("<annotation/>")


def only_an_archive(root: Path) -> None:
    shutil.rmtree(root / "images/train")
    (root / "images/train").mkdir()
    (root / "images/train/photos.zip").write_bytes(b"PK")


LAYOUTS = {
    "mistyped split": (edit("images/train", "images/trian"), r"Did you mean 'images/train'"),
    "mistyped root": (edit("path: .", "path: sett"), r"write 'path: \.'"),
    "backslashes": (edit("images/train", "images\\train"), r"Write 'images/train', with slashes"),
    "labels named": (edit("train: images/train", "train: labels/train"), r"label files; name .*images/train"),
    "doubled suffix": (
        move_labels("labels/train", ".png"),
        r"'000\.png\.txt' there; they have to be called '000\.txt'",
    ),
    "xml beside": (only_an_xml_file, r"write 'format: voc'"),
    "archive": (only_an_archive, r"There is photos\.zip; unpack it there"),
    "no yaml": (
        lambda root: (root / "data.yaml").rename(root / "notes.txt"),
        r"folder without a data set YAML.*boxwright data split",
    ),
    "label folder": (move("labels", "label"), r"write 'labels: /images/ -> /label/'"),
    "root below": (move("images", "data/images"), r"There is 'data/images/train'; write 'path: data'"),
    "labels beside": (move_labels("images/train"), r"write 'labels: beside'"),
}


def opened(place: Path) -> None:
    dataset = read_dataset(place)
    require_objects(open_split(dataset, "train"), dataset, "train")


@pytest.mark.parametrize("case", LAYOUTS)
def test_a_broken_layout_gets_the_hint_that_mends_it(tmp_path, case):
    yaml = write(tmp_path)
    damage, hint = LAYOUTS[case]
    damage(yaml.parent)
    with pytest.raises(DataError, match=hint):
        opened(yaml if yaml.exists() else yaml.parent)
