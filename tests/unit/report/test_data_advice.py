# SPDX-License-Identifier: Apache-2.0
"""What a data report says stands out: each remark appears with its cause and goes away with it."""

from __future__ import annotations

import copy

import pytest

from boxwright.report.data_advice import advice

SOUND = {
    "images": 100,
    "objects": 300,
    "classes": [200, 100],
    "backgrounds_by_kind": {"no file": ["a.jpg"], "empty file": []},
    "tiny_count": 3,
}
DOCUMENT = {
    "names": ["cat", "dog"],
    "image_size": 640,
    "leakage": [],
    "anchors": {"recall": 0.99, "per_box": 4.0},
    "splits": {"train": SOUND, "val": dict(SOUND)},
}


def changed(**changes: object) -> dict:
    """The sound document but for values by path, as 'splits/val/images'."""
    document = copy.deepcopy(DOCUMENT)
    for path, value in changes.items():
        *way, last = path.split("/")
        place = document
        for key in way:
            place = place[key]
        place[last] = value
    return document


def test_of_a_sound_set_nothing_stands_out():
    assert advice(DOCUMENT) == []


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"leakage": [{"exact": True}]}, ["1 pair of pictures lies in two splits"]),
        ({"leakage": [{"exact": False}] * 2}, ["2 pairs of pictures in two splits look alike"]),
        ({"splits/train/classes": [300, 0]}, ["no object to learn from, but some in val: dog"]),
        ({"splits/train/classes": [300, 0], "splits/val/classes": [300, 0]}, ["no object of dog"]),
        ({"splits/train/classes": [251, 49], "splits/val/classes": [250, 50]}, ["fewer than 50 objects in train: dog"]),
        (
            {"splits/train/backgrounds_by_kind": {"no file": ["x"] * 31}},
            ["31 of 100 training images have no label file"],
        ),
        ({"splits/val/classes": [300, 0]}, ["no object in val: dog"]),
        ({"splits/val/images": 49}, ["val has 49 images"]),
        ({"splits/val/classes": [60, 240]}, ["another share of objects in val than in train: cat, dog"]),
        ({"splits/train/tiny_count": 16}, ["16 of 300 training boxes have a side under 8 px at 640"]),
        ({"anchors/recall": 0.9}, ["10.0% of training boxes fit no anchor"]),
    ],
    ids=[
        "leakage",
        "alike",
        "not-learned",
        "nowhere",
        "few",
        "unlabelled",
        "not-measured",
        "small",
        "shifted",
        "tiny",
        "anchors",
    ],
)
def test_each_fault_is_said_once(changes, what):
    assert [said for said, _ in advice(changed(**changes))] == what


def test_a_set_with_one_split_only_is_told_of_that_one():
    document = changed()
    del document["splits"]["val"]
    assert advice(document) == []
    del document["splits"]["train"]
    assert advice(document) == []
