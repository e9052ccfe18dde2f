# SPDX-License-Identifier: Apache-2.0
"""Laws of what went wrong and of how sure a number is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxwright.metrics import gains, mistakes, resampling
from boxwright.metrics.confusion import precision_recall
from boxwright.metrics.flat import Flat, SeenImage, flattened
from boxwright.metrics.meter import metrics_of
from boxwright.metrics.regions import confusion_of

CLASSES = 3


def flat_of(number: int, images: int = 6) -> Flat:
    """Labels, and detections near them, elsewhere, twice, or of another class.

    In two of three scenes there are regions to ignore.
    """
    draw = np.random.default_rng([21, number])
    seen = {}
    for image in range(images):
        count = int(draw.integers(0, 6))
        side, corner = draw.uniform(20, 80, (count, 2)), draw.uniform(0, 200, (count, 2))
        labels = np.concatenate((draw.integers(0, CLASSES, (count, 1)), corner, corner + side), axis=1)
        rows = []
        for _ in range(int(draw.integers(0, 12))):
            if count and draw.random() < 0.75:
                label = labels[int(draw.integers(count))]
                box = label[1:] + draw.normal(0, draw.choice([1, 8, 25]), 4)
                rows.append(
                    [
                        *box[:2],
                        *np.maximum(box[2:], box[:2] + 2),
                        draw.random(),
                        label[0] if draw.random() < 0.7 else draw.integers(CLASSES),
                    ]
                )
            else:
                corner = draw.uniform(0, 200, 2)
                rows.append([*corner, *(corner + 30), draw.random(), draw.integers(CLASSES)])
        found = np.array(rows).reshape(-1, 6)
        corner = draw.uniform(-20, 150, (number % 3, 2))
        regions = np.concatenate((draw.integers(0, CLASSES, (number % 3, 1)), corner, corner + 120), axis=1)
        rows = (found[np.argsort(-found[:, 4])], labels, regions)
        seen[image] = SeenImage(*(one.astype(np.float32) for one in rows))
    return flattened(seen, CLASSES)


def matrix_of(flat: Flat, **more) -> np.ndarray:
    return confusion_of(flat, **more)


@given(st.integers(0, 2**20))
def test_what_went_wrong_adds_up_to_the_confusion_matrix(number):
    flat = flat_of(number)
    assert (mistakes.counted(mistakes.outcomes(flat), CLASSES) == matrix_of(flat)).all()


@given(st.integers(0, 2**20), st.sampled_from([0.1, 0.25, 0.6]))
def test_precision_and_recall_at_a_confidence_are_those_of_the_counts(number, confidence):
    flat = flat_of(number)
    listed = mistakes.outcomes(flat, confidence)
    precision, recall = precision_recall(matrix_of(flat, min_confidence=confidence))
    for name in range(CLASSES):
        right = sum(one.kind == mistakes.RIGHT and one.said == name for one in listed)
        said, true = sum(one.said == name for one in listed), sum(one.true == name for one in listed)
        assert (precision[name] == right / said) if said else np.isnan(precision[name])
        assert (recall[name] == right / true) if true else np.isnan(recall[name])


def test_every_kind_of_mistake_occurs_and_is_told_apart():
    kinds = {one.kind for number in range(40) for one in mistakes.outcomes(flat_of(number))}
    assert kinds == set(mistakes.KINDS)


def one_image(detections, labels) -> Flat:
    return flattened(
        {0: SeenImage(np.array(detections, np.float32).reshape(-1, 6), np.array(labels, np.float32).reshape(-1, 5))},
        CLASSES,
    )


@pytest.mark.parametrize(
    ("detection", "kind"),
    [
        ([0, 0, 10, 10, 0.9, 0], "right"),
        ([0, 0, 10, 10, 0.9, 1], "wrong class"),
        ([4, 4, 14, 14, 0.9, 0], "badly placed"),
        ([50, 50, 60, 60, 0.9, 0], "background"),
    ],
)
def test_a_single_detection_has_the_kind_one_would_give_it(detection, kind):
    assert mistakes.outcomes(one_image(detection, [0, 0, 0, 10, 10]))[0].kind == kind


def test_a_second_box_is_a_duplicate_and_a_missed_object_knows_how_near_it_was():
    twice = one_image([[0, 0, 10, 10, 0.9, 0], [1, 0, 10, 10, 0.8, 0]], [0, 0, 0, 10, 10])
    assert [one.kind for one in mistakes.outcomes(twice)] == ["right", "duplicate"]
    nearly = mistakes.outcomes(one_image([0, 0, 10, 10, 0.2, 0], [0, 0, 0, 10, 10]))[0]
    assert (nearly.kind, nearly.almost) == ("missed", pytest.approx(0.2))


def crowd(right: int, called: int, *, apart: float = 100.0) -> Flat:
    """Objects of class 0 that are found, others that are called class 1, and as many right ones of class 1."""
    rows, labels = [], []
    for i in range(right + called + right):
        box = [i * apart, 0.0, i * apart + 50, 50.0]
        true = 0 if i < right + called else 1
        said = 1 if right <= i < right + called else true
        rows.append([*box, 0.9, said])
        labels.append([true, *box])
    return one_image(rows, labels)


def test_a_sure_contradiction_is_a_suspect_and_the_surest_finding_comes_first():
    known = [[i * 100.0, 0, i * 100.0 + 50, 50] for i in range(10)]
    rows = [[*box, 0.9, number] for number, box in [*((0, box) for box in known[:2]), *((1, box) for box in known[2:])]]
    labels = [[number, *box] for number, box in [*((0, box) for box in known[:2]), *((1, box) for box in known[2:])]]
    rows += [[0, 200, 40, 240, 0.95, 0], [100, 200, 140, 240, 0.85, 1], [300, 200, 310, 210, 0.3, 2]]
    found = mistakes.suspects(mistakes.outcomes(one_image(rows, labels)))
    assert [(suspect.what, suspect.outcome.said) for suspect in found] == [
        ("a label is missing", 1),  # less confident, but what is called so is nearly always right
        ("a label is missing", 0),
    ]
    assert found[0].certainty > found[1].certainty >= mistakes.LIKELY


def test_two_classes_that_are_taken_for_each_other_are_no_fault_of_a_label():
    listed = mistakes.suspects(mistakes.outcomes(crowd(8, 1)))
    assert [suspect.what for suspect in listed] == ["the class of the label"]
    assert not mistakes.suspects(mistakes.outcomes(crowd(8, 8)))


@given(st.integers(0, 2**20))
def test_a_repair_never_makes_it_worse(number):
    assert all(gain >= 0 for gain in gains.gains(flat_of(number)).values())


def test_the_repair_of_the_only_kind_of_mistake_leads_to_the_top():
    labels = [[0, 0, 0, 10, 10], [1, 40, 40, 80, 80]]
    right, wrong = [40, 40, 80, 80, 0.9, 1], [0, 0, 10, 10, 0.8, 1]
    found = gains.gains(one_image([right, wrong], labels))
    before = metrics_of(one_image([right, wrong], labels)).curves.average_precision[:, 0].mean()
    after = metrics_of(one_image([right, [0, 0, 10, 10, 0.8, 0]], labels)).curves.average_precision[:, 0].mean()
    assert found["wrong class"] == pytest.approx(after - before)
    assert found["background"] == found["duplicate"] == 0


@given(st.integers(0, 2**20))
def test_the_validation_itself_is_the_first_of_the_rounds(number):
    flat = flat_of(number)
    rounds = resampling.resampled(flat, resampling.bootstrap_weights(len(flat.images), 3, 0))
    assert rounds.average_precision[0] == pytest.approx(metrics_of(flat).curves.average_precision, abs=1e-12)


@given(st.integers(0, 2**20))
def test_an_image_drawn_twice_counts_as_two_images(number):
    flat = flat_of(number)
    weights = resampling.bootstrap_weights(len(flat.images), 1, number)
    chosen = np.repeat(np.arange(len(flat.images)), weights[1].astype(int))
    twice = metrics_of(flattened({place: flat.image(int(image)) for place, image in enumerate(chosen)}, CLASSES)).curves
    drawn = resampling.resampled(flat, weights)
    for row, label in enumerate(twice.classes):
        expected = twice.average_precision[row]
        assert drawn.average_precision[1, list(drawn.classes).index(label)] == pytest.approx(
            expected, abs=0.011
        )  # copies may stand in another order


def test_intervals_hold_their_value_and_say_when_a_difference_could_be_none():
    flat = flat_of(5, images=40)
    values = resampling.resampled(flat, resampling.bootstrap_weights(40, 200, 0)).mean()
    found = resampling.interval(values)
    assert found.low < found.value < found.high
    assert resampling.interval(values - values).holds_zero
    assert not resampling.interval(values * 0 + np.linspace(1, 2, len(values))).holds_zero
