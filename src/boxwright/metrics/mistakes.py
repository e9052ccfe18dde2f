# SPDX-License-Identifier: Apache-2.0
"""What became of every object and every confident detection: right, or wrong in one of five ways.

Counted, it is the confusion matrix.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from boxwright.metrics.confusion import MIN_CONFIDENCE, MIN_IOU, found_objects
from boxwright.metrics.flat import Flat
from boxwright.metrics.matching import iou_rows, joined
from boxwright.metrics.regions import in_ignored_regions

RIGHT, WRONG_CLASS, BADLY_PLACED, DUPLICATE, BACKGROUND, MISSED = KINDS = (
    "right",
    "wrong class",
    "badly placed",
    "duplicate",
    "background",
    "missed",
)
MIN_TOUCH = 0.1  # overlap below which a box has nothing to do with an object
SURE = 0.7  # confidence from which on a contradiction may be the label's fault
LIKELY = 0.5  # certainty from which on a label is worth looking at: below, the network is as likely to be wrong
CLOSE = 0.7  # overlap from which on two boxes mean the same object


@dataclass(frozen=True)
class Outcome:
    """One object or detection.

    `said` and `true` are classes, `box` and `label_box` xyxy in native pixels; what there is none of is None.

    `iou` is the overlap with the object it belongs to, or with the nearest one; `almost` the confidence with which a
    missed object would have been found.
    """

    kind: str
    image: int  # its place in `Flat.images`
    said: int | None
    true: int | None
    confidence: float | None
    iou: float
    box: tuple[float, ...] | None
    label_box: tuple[float, ...] | None
    almost: float | None = None


class _Near(NamedTuple):
    """Of every detection, or of every label, the nearest on the other side.

    Its place and the overlap. -1 and 0 where there is none.
    """

    place: np.ndarray
    iou: np.ndarray


def outcomes(flat: Flat, min_confidence: float = MIN_CONFIDENCE) -> list[Outcome]:
    """Everything that is there or was said, image after image; what was said of a region to ignore is no outcome."""
    sure = (flat.detections[:, 4] > min_confidence) & ~in_ignored_regions(flat, min_confidence)
    found, found_images, labels, label_images = (
        flat.detections[sure],
        flat.detection_images[sure],
        flat.labels,
        flat.label_images,
    )
    matched = found_objects(found, labels, found_images, label_images)
    near = _nearest(found, found_images, labels, label_images)
    same = _nearest(found, found_images, labels, label_images, same_class=True)
    listed = [
        _matched(found[d], labels[g], int(found_images[d]), float(iou)) for d, g, iou in zip(*matched, strict=True)
    ]
    false = np.setdiff1d(np.arange(len(found)), matched.detection)
    listed += [_alone(found[row], int(found_images[row]), (near, same), int(row), labels) for row in false]
    almost = _found_below(flat, flat.detections[:, 4] <= min_confidence)
    for row in np.setdiff1d(np.arange(len(labels)), matched.label):
        box = _box(labels[row, 1:])
        listed.append(
            Outcome(
                MISSED, int(label_images[row]), None, int(labels[row, 0]), None, 0.0, None, box, almost.get(int(row))
            )
        )
    return sorted(listed, key=lambda one: (one.image, -(one.confidence or 0.0)))


def _matched(row: np.ndarray, label: np.ndarray, image: int, iou: float) -> Outcome:
    kind = RIGHT if row[5] == label[0] else WRONG_CLASS
    return Outcome(kind, image, int(row[5]), int(label[0]), float(row[4]), iou, _box(row[:4]), _box(label[1:]))


def _alone(row: np.ndarray, image: int, near: tuple[_Near, _Near], place: int, labels: np.ndarray) -> Outcome:
    """A detection that stands on no object of its own."""
    anything, same = near
    if anything.iou[place] > MIN_IOU:
        kind, nearest = DUPLICATE, anything
    elif same.iou[place] >= MIN_TOUCH:
        kind, nearest = BADLY_PLACED, same
    else:
        kind, nearest = BACKGROUND, anything
    label = labels[nearest.place[place]] if nearest.iou[place] > 0 else None
    label_box = None if label is None else _box(label[1:])
    return Outcome(kind, image, int(row[5]), None, float(row[4]), float(nearest.iou[place]), _box(row[:4]), label_box)


def _box(corners: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 2) for value in corners)


def _nearest(
    found: np.ndarray,
    found_images: np.ndarray,
    labels: np.ndarray,
    label_images: np.ndarray,
    *,
    same_class: bool = False,
) -> _Near:
    """The nearest label of every detection, of any class or of its own."""
    detection, label = joined(found_images, label_images)
    if same_class:
        mine = found[detection, 5] == labels[label, 0]
        detection, label = detection[mine], label[mine]
    iou = iou_rows(found[detection, :4], labels[label, 1:])
    order = np.lexsort((iou, detection))
    near = _Near(np.full(len(found), -1), np.zeros(len(found)))
    near.place[detection[order]], near.iou[detection[order]] = (
        label[order],
        iou[order],
    )  # the last write stands: the highest overlap
    return near


def _found_below(flat: Flat, below: np.ndarray) -> dict[int, float]:
    """Labels that a less confident detection of their class lies on, and its confidence."""
    found, images = flat.detections[below], flat.detection_images[below]
    near = _nearest(found, images, flat.labels, flat.label_images, same_class=True)
    order = np.argsort(found[:, 4], kind="stable")
    return {int(near.place[row]): float(found[row, 4]) for row in order if near.iou[row] > MIN_IOU}


def counted(listed: list[Outcome], num_classes: int) -> np.ndarray:
    """The confusion matrix again. (C + 1, C + 1)"""
    matrix = np.zeros((num_classes + 1, num_classes + 1), np.int64)
    for one in listed:
        matrix[num_classes if one.said is None else one.said, num_classes if one.true is None else one.true] += 1
    return matrix


class Suspect(NamedTuple):
    """A label that may be wrong, what of it, and how sure that is, 0..1."""

    outcome: Outcome
    what: str
    certainty: float


def suspects(listed: list[Outcome]) -> list[Suspect]:
    """Where the label rather than the network may be wrong, the surest finding first.

    A confident detection contradicts its label. How much that says depends on how often such detections of its class
    are right, and on how often objects of the label's class are called that: two classes that are taken for each other
    all the time are a fault of the network, or of all labels, and not of this one.
    """
    sure = [one for one in listed if one.confidence is not None and one.confidence >= SURE]
    reliability = _reliability(sure)
    confused = _confused(listed)
    found = []
    for one in sure:
        what = _contradiction(one)
        if what and one.said is not None and one.confidence is not None:
            share = 0.0 if one.true is None else confused.get((one.said, one.true), 0.0)
            certainty = one.confidence * reliability[one.said] * (1 - share)
            if certainty >= LIKELY:
                found.append(Suspect(one, what, certainty))
    return sorted(found, key=lambda suspect: -suspect.certainty)


def _contradiction(one: Outcome) -> str:
    """What of its label a confident detection contradicts; '' for nothing."""
    if one.kind == WRONG_CLASS and one.iou >= CLOSE:
        return "the class of the label"
    if one.kind == BACKGROUND and one.iou < MIN_TOUCH:
        return "a label is missing"
    return "the box of the label" if one.kind == BADLY_PLACED else ""


def _reliability(sure: list[Outcome]) -> dict[int, float]:
    """By class the share of confident detections that are right; of few it is taken to be nearer to a half."""
    said = Counter(one.said for one in sure if one.said is not None)
    right = Counter(one.said for one in sure if one.kind == RIGHT)
    return {number: (right[number] + 1) / (count + 2) for number, count in said.items()}


def _confused(listed: list[Outcome]) -> dict[tuple[int, int], float]:
    """Which share of the objects of a class is called another: (said, true) -> share."""
    labels = Counter(one.true for one in listed if one.true is not None)
    called = Counter((one.said, one.true) for one in listed if one.kind == WRONG_CLASS)
    return {
        (said, true): count / labels[true]
        for (said, true), count in called.items()
        if said is not None and true is not None
    }
