# SPDX-License-Identifier: Apache-2.0
"""Paths that a data set YAML or a list states.

What can be none is one line, what would be the whole disk is refused, what is no picture is told.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boxwright.data.splits import listing
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.errors import DataError, UserError
from boxwright.system.files import WriteError, open_shared
from tests.support import datasets

LONG = "a" * 5000


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=4, val=2)
    return tmp_path / "set"


def opened(root, text: str):
    (root / "data.yaml").write_text(f"{text}\nval: images/val\nnames: [red, blue, green]\n")
    return open_split(read_dataset(root / "data.yaml"), "train")


NOWHERE = {
    "a NUL in a split": ('train: "a\\0b"', "data.yaml:1: holds a NUL or half a character"),
    "half a surrogate pair": ('train: "a\\ud800b"', "holds a NUL or half a character"),
    "a long name": (f"train: {'a' * 300}", "has a name of 300 bytes in it, and a name has at most 255"),
    "a long name in a list of folders": (f"train: [images/train, {'é' * 200}]", "has a name of 400 bytes in it"),
    "a long path": (f"train: {'a/' * 4000}", "is 8,000 bytes long, and a path has at most 4,096"),
    "a NUL in path": ('path: "a\\0b"\ntrain: images/train', "holds a NUL or half a character"),
    "a long root": (f"path: {LONG}\ntrain: images/train", "is 5,000 bytes long"),
    "a NUL in the data of a source": ('sources:\n- data: "a\\0b"', "data.yaml:2: holds a NUL"),
    "the whole disk": ("train: /", "/: is the root of the whole file system"),
    "the whole disk by way of a list": ("train: [images/train, /]", "/: is the root of the whole file system"),
    "the whole disk as root": ("path: /\ntrain: .", "/: is the root of the whole file system"),
    "the whole disk by another name": (
        "train: ../../../../../../../../../../..",
        "is the root of the whole file system",
    ),
    "a device": ("train: /dev/zero", "/dev/zero: cannot be read (not a regular file"),
    "a device as annotations": ("format: coco\ntrain: /dev/zero", "/dev/zero is no file"),
    "a pipe": ("train: pipe", "pipe: cannot be read (not a regular file"),
    "a link in a circle": ("train: circle", "'circle' of split 'train' is not there"),
}


@pytest.mark.parametrize("what", NOWHERE)
def test_a_path_that_can_be_none_is_one_short_line(root, what):
    text, said = NOWHERE[what]
    os.mkfifo(root / "pipe")
    (root / "circle").symlink_to("circle")
    with pytest.raises(UserError) as caught:
        opened(root, text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_a_long_name_of_the_yaml_itself_is_one_line():
    with pytest.raises(DataError, match=r"^--data: the path 'a+\.\.\.a+' is 5,000 bytes long"):
        read_dataset(Path(LONG))


def test_a_folder_in_which_hardly_anything_is_a_picture_is_not_walked_to_the_end(root, monkeypatch):
    monkeypatch.setattr(listing, "MOST_OTHERS", 50)
    for number in range(30):
        (root / f"images/train/{number}.md").write_text("")
    assert len(opened(root, "train: images/train")) == 4
    for number in range(60):
        (root / f"images/train/x{number}.md").write_text("")
    with pytest.raises(DataError, match=r"of the first 94 entries in it and below it, 4 are pictures"):
        opened(root, "train: images/train")


def test_a_line_of_a_list_that_names_no_picture_is_a_finding_with_its_line(root):
    lines = [
        "images/train/000.png",
        "",
        "README",
        "./images/train/001.png",
        "images/train/002",
        "../../../etc/passwd",
        "x.gif",
        f"{LONG}.png",
    ]
    (root / "list.txt").write_text("\n".join(lines))
    index = opened(root, "train: list.txt")
    assert len(index) == 2
    told = [
        (finding.line, finding.rule, finding.action) for finding in index.findings if finding.file.endswith("list.txt")
    ]
    assert told == [(3, "format", "image skipped"), (5, "format", "image skipped"), (6, "format", "image skipped")]
    assert {finding.rule for finding in index.findings if not finding.file.endswith("list.txt")} == {
        "format",
        "unreadable",
    }  # x.gif and the long one
    assert index.skipped == 5


def test_of_many_such_lines_the_first_are_told_and_the_others_counted(root, monkeypatch):
    monkeypatch.setattr(listing, "MOST_NAMED", 2)
    (root / "list.txt").write_text("images/train/000.png\n" + "x\n" * 10)
    told = [str(finding) for finding in opened(root, "train: list.txt").findings]
    assert len(told) == 3
    assert "8 more lines have no suffix of a picture" in told[2]


@pytest.mark.parametrize(
    ("limit", "content"), [("MOST_LINES", "a\n" * 20), ("MOST_LINES", "a\r" * 20), ("MOST_LIST_BYTES", "a" * 20)]
)
def test_a_list_that_is_larger_than_any_is_one_line(root, monkeypatch, limit, content):
    monkeypatch.setattr(listing, limit, 10)
    (root / "list.txt").write_text(content)
    with pytest.raises(DataError, match=r"list\.txt: is larger than a list of [\d,]+ images can be"):
        opened(root, "train: list.txt")


def with_images(root: Path, names: list[str]) -> None:
    images = [{"id": number, "file_name": name} for number, name in enumerate(names)]
    document = {"images": images, "annotations": [], "categories": [{"id": 1, "name": "red"}]}
    (root / "train.json").write_text(json.dumps(document))


def test_a_file_name_of_coco_annotations_that_is_too_long_is_a_finding(root):
    with_images(root, ["images/train/000.png", f"{LONG}.png"])
    index = opened(root, "train: train.json\nimages: .")
    assert len(index) == 1
    assert [finding.rule for finding in index.findings] == ["annotation"]
    assert len(str(index.findings[0])) < 500


@pytest.mark.parametrize("name", ["a\0b.png", "\ud800.png"])
def test_a_file_name_of_coco_annotations_that_no_file_can_have_is_one_line(root, name):
    with_images(root, ["images/train/000.png", name])
    with pytest.raises(DataError, match=r"train\.json:1: 'file_name' is .*, which is no name of a file") as caught:
        opened(root, "train: train.json\nimages: .")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["a link", "a pipe"])
def test_decoded_pictures_are_kept_in_no_file_that_is_somebody_elses(tmp_path, kind):
    other = tmp_path / "other"
    other.write_text("mine")
    if kind == "a link":
        (tmp_path / "x.pixels").symlink_to(other)
    else:
        os.mkfifo(tmp_path / "x.pixels")
    with pytest.raises(WriteError, match=r"x\.pixels: is no regular file"):
        open_shared(tmp_path / "x.pixels", 100)
    assert other.read_text() == "mine"
