# SPDX-License-Identifier: Apache-2.0
"""The COCO protocol against the official evaluator."""

from __future__ import annotations

import numpy as np
import pytest

from boxwright.metrics.coco import NAMES, CocoInput, coco_scores
from tests.oracles.official_coco import as_documents, official

FIXTURES = 240
TOLERANCE = 1e-9


def fixture(number: int) -> tuple[CocoInput, int, int]:
    """A small data set with what goes wrong elsewhere.

    Crowds, empty images, equal confidences and overlaps, crowded images, one class, missing classes.
    """
    draw = np.random.default_rng([11, number])
    images, classes = int(draw.integers(1, 9)), int(draw.choice([1, 2, 5]))
    grid = number % 3 == 0  # whole pixels: overlaps fall onto thresholds and each other
    labels, label_images, found, found_images = [], [], [], []
    for image in range(images):
        for _ in range(int(draw.integers(0, 7)) if draw.random() > 0.2 else 0):
            labels.append([draw.integers(classes), *box(draw, grid)])
            label_images.append(image)
        many = int(draw.integers(105, 160)) if number % 7 == 0 and image == 0 else int(draw.integers(0, 14))
        mine = [row for row, place in zip(labels, label_images, strict=True) if place == image]
        for _ in range(many):
            near = mine[int(draw.integers(len(mine)))] if mine and draw.random() < 0.7 else None
            corners = box(draw, grid) if near is None else moved(draw, near[1:], grid)
            score = draw.integers(1, 6) / 8 if number % 2 else draw.random()
            found.append([*corners, score, draw.integers(classes) if near is None or draw.random() < 0.2 else near[0]])
            found_images.append(image)
    labels_array = np.array(labels, np.float64).reshape(-1, 5)
    if number % 5 == 0 and classes > 1:
        labels_array[:, 0] = np.minimum(labels_array[:, 0], classes - 2)  # a class that is found but never labelled
    crowd = draw.random(len(labels_array)) < (0.2 if number % 2 else 0)
    areas = (labels_array[:, 3:] - labels_array[:, 1:3]).prod(axis=1) * (draw.uniform(0.3, 1) if number % 4 == 1 else 1)
    given = CocoInput(
        np.array(found, np.float64).reshape(-1, 6),
        np.array(found_images, int),
        labels_array,
        np.array(label_images, int),
        crowd,
        areas,
    )
    return given, images, classes


def box(draw, grid):
    side = draw.choice([12, 60, 160]) * draw.uniform(0.5, 1.5, 2)
    corner = draw.uniform(0, 300, 2)
    corners = np.concatenate((corner, corner + side))
    return (np.round(corners / 4) * 4 + [0, 0, 4, 4] if grid else corners).tolist()


def moved(draw, corners, grid):
    corners = np.array(corners)
    side = np.tile(corners[2:] - corners[:2], 2)
    shifted = corners + side * draw.normal(0, draw.choice([0.0, 0.04, 0.15]), 4)
    return (np.round(shifted) if grid else shifted).tolist()


@pytest.mark.parametrize("first", range(0, FIXTURES, 40))
def test_the_twelve_numbers_are_those_of_the_official_evaluator(first):
    for number in range(first, first + 40):
        given, images, classes = fixture(number)
        assert coco_scores(given).numbers() == pytest.approx(
            official(*as_documents(given, images, classes)), abs=TOLERANCE
        ), number


def test_the_fixtures_hold_what_they_promise():
    inputs = [fixture(number)[0] for number in range(FIXTURES)]
    assert any(one.crowd.any() for one in inputs)
    assert any(not len(one.labels) for one in inputs)
    assert any(not len(one.detections) for one in inputs)
    assert any(np.bincount(one.detection_images).max(initial=0) > 100 for one in inputs)
    assert any(set(one.detections[:, 5]) - set(one.labels[:, 0]) for one in inputs)
    assert any(len(np.unique(one.detections[:, 4])) < len(one.detections) for one in inputs)


def test_nothing_at_all_has_no_numbers():
    empty = CocoInput(np.zeros((0, 6)), np.zeros(0, int), np.zeros((0, 5)), np.zeros(0, int))
    assert coco_scores(empty).numbers() == dict.fromkeys(NAMES, -1.0)


def test_perfect_detections_score_one_in_every_size_that_occurs():
    labels = np.array([[0, 0, 0, 10, 10], [1, 20, 20, 70, 70], [0, 100, 100, 300, 300]], float)
    detections = np.concatenate((labels[:, 1:], np.full((3, 1), 0.9), labels[:, :1]), axis=1)
    images = np.array([0, 0, 1])
    assert coco_scores(CocoInput(detections, images, labels, images)).numbers() == pytest.approx(
        dict.fromkeys(NAMES, 1.0)
    )


def test_each_class_has_its_own_numbers_and_their_mean_is_the_headline():
    given = fixture(2)[0]
    scores = coco_scores(given)
    assert np.mean([one["AP"] for one in scores.by_class().values() if one["AP"] >= 0]) == pytest.approx(
        scores.numbers()["AP"]
    )
