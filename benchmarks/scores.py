# SPDX-License-Identifier: Apache-2.0
"""The numbers of a validation.

COCO's protocol against the official evaluator, matching and AP against loops over images and classes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.measure import Result, against
from boxwright.metrics.coco import CocoInput, coco_scores
from boxwright.metrics.curves import curves
from boxwright.metrics.flat import Flat
from boxwright.metrics.matching import IOU_THRESHOLDS
from boxwright.metrics.meter import hits_of
from tests.oracles import loop_metrics
from tests.oracles.official_coco import as_documents, official
from tests.oracles.plain_metrics import validation_of_images

CLASSES = 80
LABELS_PER_IMAGE, DETECTIONS_PER_IMAGE = 7, 150
COCO_IMAGES, LOOP_IMAGES, OWN_IMAGES = 1000, 200, 5000
COCO_GOAL, LOOP_GOAL, ARRAY_GOAL = 35.0, 8.0, 8.0
Textbook = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def run() -> list[Result]:
    return [
        _coco(),
        _own(LOOP_IMAGES, _loops, LOOP_GOAL, f"matching and AP, {LOOP_IMAGES} images / loops over boxes"),
        _own(
            OWN_IMAGES,
            validation_of_images,
            ARRAY_GOAL,
            f"matching and AP, {OWN_IMAGES} images / arrays image by image",
        ),
    ]


def scene(images: int) -> CocoInput:
    """Labels of three sizes; a third of the detections near one of them, as an early network answers."""
    draw = np.random.default_rng(5)
    counts = draw.poisson(LABELS_PER_IMAGE, images)
    label_images = np.repeat(np.arange(images), counts)
    side = draw.choice([20.0, 60.0, 180.0], len(label_images))[:, None] * draw.uniform(0.5, 1.5, (len(label_images), 2))
    corner = draw.uniform(0, 400, side.shape)
    labels = np.concatenate((draw.integers(CLASSES, size=(len(side), 1)), corner, corner + side), axis=1)
    detection_images = np.repeat(np.arange(images), DETECTIONS_PER_IMAGE)
    firsts = np.concatenate(([0], np.cumsum(counts)))
    chosen = (
        firsts[detection_images]
        + draw.integers(1 << 30, size=len(detection_images)) % np.maximum(counts[detection_images], 1)
    ).clip(0, len(labels) - 1)
    near = draw.random(len(detection_images)) < 1 / 3
    sides = np.tile(labels[chosen, 3:] - labels[chosen, 1:3], 2)
    jitter = np.where(near, 0.08, 3.0)[:, None] * draw.normal(size=(len(near), 4)) * sides
    boxes = labels[chosen, 1:] + jitter
    boxes = np.concatenate((boxes.reshape(-1, 2, 2).min(axis=1), boxes.reshape(-1, 2, 2).max(axis=1) + 1), axis=1)
    classes = np.where(near, labels[chosen, 0], draw.integers(CLASSES, size=len(near)))
    found = np.concatenate((boxes, draw.random((len(near), 1)), classes[:, None]), axis=1)
    order = np.lexsort((-found[:, 4], detection_images))
    return CocoInput(found[order].astype(np.float32), detection_images[order], labels.astype(np.float32), label_images)


def _coco() -> Result:
    given = scene(COCO_IMAGES)
    documents = as_documents(given, COCO_IMAGES, CLASSES)
    mine, theirs = coco_scores(given).numbers(), official(*documents)
    assert all(abs(mine[name] - theirs[name]) < 1e-9 for name in mine)
    return against(
        f"COCO protocol, {COCO_IMAGES} images, 150 detections each / pycocotools",
        lambda: coco_scores(given),
        lambda: official(*documents),
        goal=COCO_GOAL,
        rounds=3,
    )


def _own(images: int, textbook: Textbook, goal: float, name: str) -> Result:
    given = scene(images)

    def ours() -> np.ndarray:
        found, labels = given.detections, given.labels
        hits = hits_of(Flat(np.arange(images), found, given.detection_images, labels, given.label_images, CLASSES))
        return curves(hits, found[:, 4], found[:, 5], labels[:, 0]).average_precision

    def theirs() -> np.ndarray:
        return textbook(given.detections, given.detection_images, given.labels, given.label_images)

    assert np.abs(ours() - theirs()).max() < 1e-6
    return against(name, ours, theirs, goal=goal, rounds=3)


def _loops(found: np.ndarray, found_images: np.ndarray, labels: np.ndarray, label_images: np.ndarray) -> np.ndarray:
    """Every overlap and every threshold on its own."""
    mine = [(found[found_images == i], labels[label_images == i]) for i in range(int(found_images[-1]) + 1)]
    hits = np.concatenate([loop_metrics.match_image(*one, IOU_THRESHOLDS) for one in mine])
    numbers, totals = np.unique(labels[:, 0], return_counts=True)
    chosen = [found[:, 5] == number for number in numbers]
    return np.array(
        [
            [loop_metrics.average_precision(hits[rows, t], found[rows, 4], total) for t in range(len(IOU_THRESHOLDS))]
            for rows, total in zip(chosen, totals, strict=True)
        ]
    )
