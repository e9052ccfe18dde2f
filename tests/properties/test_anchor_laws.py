# SPDX-License-Identifier: Apache-2.0
"""Anchors for any boxes: one, equal ones, fewer than anchors, of extreme shape. And good ones for real data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.geometry.anchors import fit, fitted
from boxwright.keyed import Purpose, generator
from tests.support import bccd

SIDES = st.floats(0.5, 1500, allow_nan=False)
BOXES = st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=40).map(lambda rows: np.array(rows, np.float64))


def found(boxes: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    return fitted(boxes, count, 4.0, generator(seed, Purpose.ANCHORS, -1), 30)


@settings(max_examples=40)
@given(BOXES, st.sampled_from([3, 6, 9]))
def test_there_are_as_many_as_asked_for_finite_large_enough_and_in_order(boxes, count):
    anchors = found(boxes, count)
    assert anchors.shape == (count, 2)
    assert np.isfinite(anchors).all()
    assert (anchors > 0).all()
    areas = anchors.prod(axis=1)
    assert (np.diff(areas) >= 0).all()


@settings(max_examples=20)
@given(BOXES, st.integers(0, 3))
def test_the_same_seed_finds_the_same_anchors(boxes, seed):
    assert np.array_equal(found(boxes, 9, seed), found(boxes, 9, seed))


@given(st.tuples(st.floats(2, 1500), st.floats(2, 1500)), st.integers(1, 20))
@settings(max_examples=20)
def test_one_box_or_equal_boxes_are_met(box, count):
    boxes = np.array([box] * count)
    assert fit(boxes, found(boxes, 9), 4.0).recall == 1


@pytest.mark.parametrize(
    "boxes", [[(2, 1500), (1500, 2)], [(2, 2), (1500, 1500)], [(3, 1000), (1000, 3), (40, 40)]], ids=str
)
def test_extreme_shapes_are_met_when_there_are_anchors_enough(boxes):
    assert fit(np.array(boxes, np.float64), found(np.array(boxes, np.float64), 9), 4.0).recall == 1


COCO_ANCHORS = np.array(
    [[10, 13], [16, 30], [33, 23], [30, 61], [62, 45], [59, 119], [116, 90], [156, 198], [373, 326]], np.float64
)


def test_on_real_boxes_fitted_anchors_beat_those_of_another_data_set():
    rows, sizes = bccd.boxes("train"), bccd.sizes("train")
    longest = sizes.max(axis=1)
    boxes = rows[:, 4:6] * (sizes / longest[:, None] * 640)[rows[:, 0].astype(int)]
    theirs, mine = (
        fit(boxes, COCO_ANCHORS, 4.0),
        fit(boxes, fitted(boxes, 9, 4.0, generator(0, Purpose.ANCHORS, -1), 200), 4.0),
    )
    assert mine.fitness > theirs.fitness + 0.05
    assert mine.recall >= theirs.recall
