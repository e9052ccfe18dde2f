# SPDX-License-Identifier: Apache-2.0
"""Rows that mean something else than they should are told apart by what fits all of them."""

from __future__ import annotations

import numpy as np
import pytest

from boxwright.data.labels.misread import guess_boxes, guess_classes, rows_in

SIZE_WH = np.array([640.0, 480.0])


def sound(count: int = 200, seed: int = 0) -> np.ndarray:
    """Boxes cx, cy, w, h in shares of their image, some at its edges. (N, 4)"""
    draw = np.random.default_rng(seed)
    low = draw.uniform(0, 0.8, (count, 2))
    high = low + draw.uniform(0.02, 1, (count, 2)) * (1 - low)
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def corners(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate((boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2), axis=1)


@pytest.mark.parametrize(
    ("written", "word", "fix"),
    [
        (lambda b: b * np.tile(SIZE_WH, 2), "in pixels", "width of their image"),
        (lambda b: corners(b) * np.tile(SIZE_WH, 2), "in pixels, and corners x1 y1 x2 y2", "write `class cx cy w h`"),
        (lambda b: b * 100, "in per cent", "Divide by 100"),
        (corners, "`class x1 y1 x2 y2`", "w = x2 - x1"),
        (lambda b: np.concatenate((b[:, :2] - b[:, 2:] / 2, b[:, 2:]), axis=1), "upper left corner", "cx = x + w / 2"),
        (lambda b: b[:, [0, 1, 3, 2]], "height before width", "Exchange the last two"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_another_way_to_write_boxes_is_recognised(written, word, fix, seed):
    guess = guess_boxes(written(sound(seed=seed)))
    assert guess is not None
    assert word in guess.text
    assert fix in guess.fix


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_guessed_of_sound_boxes_nor_of_a_few_that_reach_out(seed):
    boxes = sound(seed=seed)
    assert guess_boxes(boxes) is None
    boxes[:6, 2:] *= 3
    assert guess_boxes(boxes) is None, "so few say nothing"
    assert guess_boxes(np.random.default_rng(seed).uniform(0, 1, (200, 4))) is None, "nothing else fits either"
    assert guess_boxes(np.zeros((0, 4))) is None


@pytest.mark.parametrize(
    ("numbers", "classes", "word"),
    [
        ([1, 2, 3, 3], 3, "counted from 1"),
        ([1, 1, 1], 1, "counted from 1"),
        ([1, 44, 90], 80, "category numbers of COCO"),
        ([0, 1, 3], 3, ""),
        ([1, 2, 2], 3, ""),
        ([1, 7], 3, ""),
        ([], 3, ""),
    ],
)
def test_classes_that_are_counted_otherwise_are_recognised(numbers, classes, word):
    guess = guess_classes(np.array(numbers, float), classes)
    assert (guess is None) == (not word)
    assert guess is None or word in guess.text


def test_rows_are_read_as_far_as_they_are_numbers():
    content = b"\xef\xbb\xbf0 .5 .5 .2 .2\nno row\n1 2 3\n2 10 10 30 10 30 50\n3 nan 0 1 1\n4 1e300 1 1 1\n"
    assert rows_in(content).tolist() == [[0, 0.5, 0.5, 0.2, 0.2], [2, 20, 30, 20, 40]]
