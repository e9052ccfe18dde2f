# SPDX-License-Identifier: Apache-2.0
"""What is wrong with all rows alike is said in one line, by the check of a data set and before a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from boxwright.data.labels import misread
from boxwright.errors import DataError
from boxwright.runs.datasets.scan_dataset import scan_dataset
from boxwright.runs.inputs.open_data import open_data, require_training_objects
from tests.support import datasets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def rewritten(tmp_path):
    """A data set whose rows are written in another way."""

    def rewritten(way) -> Path:
        yaml = datasets.write(tmp_path / "set", train=12, val=4)
        for file in (tmp_path / "set" / "labels").rglob("*.txt"):
            rows = [[float(word) for word in line.split()] for line in file.read_text().splitlines()]
            file.write_text("".join(f"{' '.join(f'{number:g}' for number in way(*row))}\n" for row in rows))
        return yaml

    return rewritten


def as_corners(number, x, y, w, h):
    return number, x - w / 2, y - h / 2, x + w / 2, y + h / 2


def in_pixels(number, x, y, w, h):
    return number, x * 960, y * 640, w * 960, h * 640


def from_1(number, *box):
    return number + 1, *box


def guessed(yaml: Path) -> list[str]:
    found = scan_dataset(str(yaml), "checking").findings()["train"]
    return [f"{one.severity} {one.text}. {one.fix}" for one in found if one.rule == "misread"]


def test_corners_are_told_by_the_check_and_before_a_training(rewritten):
    yaml = rewritten(as_corners)
    (told,) = guessed(yaml)
    assert told.startswith("error split 'train': ")
    assert "`class x1 y1 x2 y2`, two corners" in told
    assert any("`class x1 y1 x2 y2`, two corners" in note for note in open_data(str(yaml), ("train",)).notes)


@pytest.mark.parametrize(("way", "word"), [(in_pixels, "in pixels"), (from_1, "counted from 1")])
def test_where_nothing_can_be_used_the_error_says_what_the_rows_look_like(rewritten, way, word):
    yaml = rewritten(way)
    assert word in guessed(yaml)[0]
    with pytest.raises(DataError, match=word):
        require_training_objects(open_data(str(yaml), ("train",)))


def test_label_files_are_read_again_only_where_there_is_reason_to(rewritten, monkeypatch):
    monkeypatch.setattr(misread, "rows_in", None)
    monkeypatch.setattr("boxwright.data.splits.misread_split.rows_in", None)
    assert guessed(rewritten(lambda *row: row)) == []
