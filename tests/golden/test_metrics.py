# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from boxwright.metrics import confusion, curves, matching, scores
from tests.support import golden

NUMBERS = golden.arrays("metrics")
MEANS = golden.document("metrics")


@pytest.mark.parametrize("num_classes", [1, 3, 80])
def test_curves_equal_the_reference(num_classes):
    given = [NUMBERS[f"ap{num_classes}_in_{key}"] for key in ("tp", "conf", "pred_cls", "target_cls")]
    found = curves.curves(*given)
    at = found.operating_point
    precision, recall, f1 = found.precision[:, at], found.recall[:, at], found.f1[:, at]
    true_positives = np.round(recall * found.num_labels)
    false_positives = np.round(true_positives / (precision + curves.EPS) - true_positives)
    mine = {
        "p": precision,
        "r": recall,
        "f1": f1,
        "ap": found.average_precision,
        "tp": true_positives,
        "fp": false_positives,
        "classes": found.classes,
    }
    for key, values in mine.items():
        reference = NUMBERS[f"ap{num_classes}_out_{key}"]
        assert values.shape == reference.shape, key
        assert np.abs(values - reference).max() < 1e-9, key
    means = MEANS[f"ap{num_classes}"]
    assert found.average_precision.mean() == pytest.approx(means["map"], abs=1e-9)
    assert found.average_precision[:, 0].mean() == pytest.approx(means["map50"], abs=1e-9)
    assert (precision.mean(), recall.mean()) == pytest.approx((means["mp"], means["mr"]), abs=1e-9)


def test_average_precision_of_a_formula_equals_the_reference():
    recall = np.linspace(0, 0.8, 30)
    precision = 1 - 0.7 * recall**2 + 0.05 * np.sin(40 * recall)
    assert curves.average_precision(recall, precision) == pytest.approx(MEANS["compute_ap_analytic"], abs=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.05])
def test_smoothing_equals_the_reference(share):
    assert np.abs(curves.smoothed(NUMBERS["smooth_in"], share) - NUMBERS[f"smooth_out_f{share}"]).max() < 1e-12


def test_fitness_equals_the_reference():
    mine = [scores.fitness(row) for row in NUMBERS["fitness_in"]]
    assert np.abs(mine - NUMBERS["fitness_out"]).max() < 1e-12


@pytest.mark.parametrize("number", range(4))
def test_matching_equals_the_reference(number):
    labels, found = NUMBERS[f"match{number}_labels"], NUMBERS[f"match{number}_det"]
    pairs = matching.overlapping_pairs(found[:, :4], found[:, 5], labels[:, 1:], labels[:, 0], 0.5)
    assert (matching.true_positives(pairs, len(found), len(labels)) == NUMBERS[f"match{number}_correct"]).all()


def images(*extra):
    """The four reference images and more, as flat arrays."""
    listed = [(NUMBERS[f"match{i}_det"], NUMBERS[f"match{i}_labels"]) for i in range(4)] + list(extra)
    found, labels = (np.concatenate([pair[side] for pair in listed]) for side in (0, 1))
    numbers = [np.repeat(np.arange(len(listed)), [len(pair[side]) for pair in listed]) for side in (0, 1)]
    return found, labels, *numbers


def test_confusion_equals_the_reference_where_something_matches():
    size = len(NUMBERS["confusion_4images"]) - 1
    assert (confusion.confusion(*images(), size) == NUMBERS["confusion_4images"]).all()


def test_confusion_equals_the_reference_on_an_image_without_detections():
    size = len(NUMBERS["confusion_plus_none"]) - 1
    empty = NUMBERS["match0_det"][:0], NUMBERS["match0_labels"]
    assert (confusion.confusion(*images(empty), size) == NUMBERS["confusion_plus_none"]).all()


def test_confusion_counts_the_false_positives_that_the_reference_forgets():
    size = len(NUMBERS["confusion_plus_far"]) - 1
    far = NUMBERS["match3_det"].copy()
    far[:, :4] += 5000
    far[:, 4] = 0.9
    empty = NUMBERS["match0_det"][:0], NUMBERS["match0_labels"]
    mine = confusion.confusion(*images(empty, (far, NUMBERS["match3_labels"])), size)
    forgotten = np.zeros_like(mine)
    np.add.at(forgotten, (far[:, 5].astype(int), np.full(len(far), size)), 1)
    assert (mine - forgotten == NUMBERS["confusion_plus_far"]).all()
