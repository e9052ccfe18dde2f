# SPDX-License-Identifier: Apache-2.0
"""Strides come from a pass of shapes, and a network that is made again is not passed again."""

from __future__ import annotations

import pytest

from boxwright.documents import parse_yaml
from boxwright.errors import ModelError
from boxwright.model import probe
from boxwright.model.detector import shape_only
from boxwright.model.spec import read_spec
from tests.support.networks import TINY, tiny_spec


@pytest.fixture
def passed(monkeypatch):
    """The rows that are passed from here on, by number; nothing was passed before."""
    rows, one = [], probe._passed
    monkeypatch.setattr(probe, "_known", {})
    monkeypatch.setattr(probe, "_passed", lambda row, *more: rows.append(row.index) or one(row, *more))
    return rows


def of(text: str):
    return shape_only(read_spec(parse_yaml(text, "other.yaml")))


def test_a_network_is_passed_once_whatever_its_classes_anchors_and_file_are(passed):
    first = shape_only(tiny_spec())
    assert passed == [row.index for row in first.spec.rows[:-1]]
    for other in (shape_only(tiny_spec(num_classes=7)), of(TINY), of(TINY.replace("nc: 3", "nc: 1"))):
        assert other.strides == first.strides == (8, 16)
    assert len(passed) == len(first.spec.rows) - 1


@pytest.mark.parametrize(
    ("old", "new", "strides"),
    [
        ("Conv, [8, 6, 2, 2]", "Conv, [8, 6, 4, 2]", (16, 32)),
        ("Conv, [8, 6, 2, 2]", "Conv, [8, 3, 1]", (4, 8)),
    ],
)
def test_a_network_of_other_rows_has_strides_of_its_own(passed, old, new, strides):
    assert old in TINY
    assert of(TINY).strides == (8, 16)
    assert of(TINY.replace(old, new)).strides == strides
    assert of(TINY).strides == (8, 16)
    assert len(passed) == 2 * (len(tiny_spec().rows) - 1)


@pytest.mark.usefixtures("passed")
def test_rows_that_do_not_fit_are_refused_every_time():
    text = TINY.replace("Conv, [8, 6, 2, 2]", "Conv, [8, 1, 3000]")
    for _ in range(2):
        with pytest.raises(ModelError, match="do not fit together"):
            of(text)
    assert not probe._known


@pytest.mark.usefixtures("passed")
def test_no_more_are_kept_than_a_process_has_use_for(monkeypatch):
    monkeypatch.setattr(probe, "MAX_KNOWN", 2)
    for channels in (1, 2, 3, 4, 1):
        shape_only(tiny_spec(in_channels=channels))
        assert len(probe._known) <= 2
