# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boxwright.metrics import confusion, curves, matching
from boxwright.metrics.flat import Flat
from boxwright.metrics.meter import Meter
from tests.oracles import loop_metrics


def scene(number: int, num_images: int = 6, num_classes: int = 3):
    """Labels and detections of some images as flat arrays; detections by falling confidence within an image."""
    draw = np.random.default_rng(number)
    labels, found, label_images, found_images = [], [], [], []
    for image in range(num_images):
        mine = draw.integers(0, 7)
        low = draw.uniform(0, 250, (mine, 2))
        truth = np.concatenate(
            (draw.integers(0, num_classes, (mine, 1)), low, low + draw.uniform(20, 80, (mine, 2))), 1
        )
        copies = truth[draw.integers(0, mine, draw.integers(0, 9))] if mine else truth
        noise = copies[:, 1:] + draw.normal(0, 5, (len(copies), 4))
        confidence = np.sort(draw.uniform(0.01, 1, len(copies)))[::-1]
        classes = np.where(draw.random(len(copies)) < 0.8, copies[:, 0], draw.integers(0, num_classes, len(copies)))
        found.append(np.concatenate((noise, confidence[:, None], classes[:, None]), 1))
        labels.append(truth)
        label_images.append(np.full(mine, image))
        found_images.append(np.full(len(copies), image))
    return (np.concatenate(parts) for parts in (found, labels, found_images, label_images))


def hits_of(found, labels, found_images, label_images, num_classes=3):
    keys = matching.keys(found_images, found[:, 5], num_classes), matching.keys(label_images, labels[:, 0], num_classes)
    pairs = matching.overlapping_pairs(found[:, :4], keys[0], labels[:, 1:], keys[1], 0.5)
    return matching.true_positives(pairs, len(found), len(labels))


@given(st.integers(0, 2**20))
def test_matching_of_all_images_at_once_equals_the_loops(number):
    found, labels, found_images, label_images = scene(number)
    mine = hits_of(found, labels, found_images, label_images)
    for image in np.unique(found_images):
        expected = loop_metrics.match_image(
            found[found_images == image], labels[label_images == image], matching.IOU_THRESHOLDS
        )
        assert (mine[found_images == image] == expected).all()


@given(st.integers(0, 2**20))
def test_a_hit_at_a_strict_threshold_is_a_hit_at_every_looser_one_for_its_label_count(number):
    found, labels, found_images, label_images = scene(number)
    counts = hits_of(found, labels, found_images, label_images).sum(axis=0)
    assert (np.diff(counts) <= 0).all()
    assert counts[0] <= len(labels)


@given(st.integers(0, 2**20))
def test_average_precision_equals_the_loops(number):
    found, labels, found_images, label_images = scene(number)
    if not len(labels):
        return
    hits = hits_of(found, labels, found_images, label_images)
    mine = curves.curves(hits, found[:, 4], found[:, 5], labels[:, 0])
    for row, (label, count) in enumerate(zip(mine.classes, mine.num_labels, strict=True)):
        chosen = found[:, 5] == label
        for t in range(hits.shape[1]):
            expected = loop_metrics.average_precision(hits[chosen, t], found[chosen, 4], count) if chosen.any() else 0.0
            assert abs(mine.average_precision[row, t] - expected) < 1e-12


@given(st.integers(0, 2**20))
def test_metrics_do_not_depend_on_the_order_of_detections(number):
    found, labels, found_images, label_images = scene(number)
    if not len(labels):
        return
    hits = hits_of(found, labels, found_images, label_images)
    order = np.random.default_rng(number).permutation(len(found))
    mine = curves.curves(hits, found[:, 4], found[:, 5], labels[:, 0])
    mixed = curves.curves(hits[order], found[order, 4], found[order, 5], labels[:, 0])
    assert (mine.average_precision == mixed.average_precision).all()
    assert mine.operating_point == mixed.operating_point


def test_perfect_detections_have_average_precision_1():
    found, labels, _, _ = scene(3)
    perfect = np.concatenate((labels[:, 1:], np.linspace(1, 0.5, len(labels))[:, None], labels[:, :1]), 1)
    images = np.arange(len(labels))
    hits = hits_of(perfect, labels, images, images)
    mine = curves.curves(hits, perfect[:, 4], perfect[:, 5], labels[:, 0])
    # the trapezoid of 101 points loses half a step at the last recall, where the envelope falls to 0
    assert mine.average_precision.min() >= 0.994
    assert len(found)


def test_no_detections_and_no_labels_are_no_trouble():
    nothing = np.zeros((0, 10), bool), np.zeros(0), np.zeros(0), np.array([0, 0, 1])
    mine = curves.curves(*nothing)
    assert (mine.average_precision == 0).all()
    assert curves.curves(*nothing[:3], np.zeros(0)).classes.size == 0


@given(st.integers(0, 2**20))
def test_the_confusion_matrix_counts_every_label_and_every_confident_detection_once(number):
    found, labels, found_images, label_images = scene(number)
    matrix = confusion.confusion(found, labels, found_images, label_images, 3)
    confident = found[found[:, 4] > confusion.MIN_CONFIDENCE]
    assert matrix[:, :3].sum(axis=0).tolist() == np.bincount(labels[:, 0].astype(int), minlength=3).tolist()
    assert matrix[:3].sum(axis=1).tolist() == np.bincount(confident[:, 5].astype(int), minlength=3).tolist()
    assert matrix[3, 3] == 0


@given(st.integers(0, 2**20))
def test_meters_that_saw_parts_say_together_what_one_would_have_said(number):
    found, labels, found_images, label_images = scene(number)
    whole, parts = Meter(3), [Meter(3), Meter(3)]
    for image in range(int(max(found_images.max(initial=0), label_images.max(initial=0))) + 1):
        rows = found[found_images == image]
        rows, truth = rows[np.argsort(-rows[:, 4], kind="stable")], labels[label_images == image]
        whole.update(image, rows, truth)
        parts[image % 2].update(image, rows, truth)
    parts[1].merge(Flat.from_arrays(parts[0].flat().arrays()))
    one, both = whole.compute(), parts[1].compute()
    assert one.scores == both.scores
    assert one.coco.numbers() == both.coco.numbers()
    assert (one.confusion == both.confusion).all()


@given(st.integers(0, 2**20), st.sampled_from([np.float32, np.float64]), st.booleans())
def test_detections_stand_class_after_class_by_falling_confidence_and_of_equal_ones_the_first(number, kind, below_zero):
    draw = np.random.default_rng(number)
    confidences = draw.integers(0, 5, 60).astype(kind) / 4  # many ties
    confidences[draw.integers(60)] = -1 if below_zero else -0.0
    classes = draw.integers(0, 3, 60).astype(kind)
    wanted = sorted(range(60), key=lambda place: (classes[place], -confidences[place], place))
    assert curves.order_by_class(confidences, classes).tolist() == wanted
    assert len(curves.order_by_class(confidences[:0], classes[:0])) == 0
