# SPDX-License-Identifier: Apache-2.0
"""How sure a number is.

The validation as it would have come out with other images of the same kind (bootstrap over images).

B rounds, N images, C classes that have labels, T IoU thresholds. A round draws N images with replacement; an image
drawn twice counts twice. Two runs that are drawn the same images can be compared pair by pair, which shows differences
that two intervals would hide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxwright.keyed import Purpose, generator
from boxwright.metrics.curves import EPS, RECALL_POINTS, order_by_class
from boxwright.metrics.flat import Flat
from boxwright.metrics.regions import hits_of, left_out

ROUNDS = 1000
COVERED = 0.95  # of the rounds lie within an interval
CHUNK = 50  # rounds worked on at once, for the sake of memory


@dataclass(frozen=True)
class Interval:
    """The number itself and the range that holds it in 95 of 100 rounds."""

    value: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether a difference could as well be none."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class Rounds:
    """AP of every round. Row 0 is the validation itself."""

    classes: np.ndarray  # (C,)
    average_precision: np.ndarray  # (1 + B, C, T), NaN where a round drew no object of a class

    def mean(self, thresholds: slice = slice(None)) -> np.ndarray:
        """MAP of every round over these thresholds. (1 + B,)"""
        values: np.ndarray = (
            np.nanmean(self.average_precision[:, :, thresholds], axis=(1, 2))
            if len(self.classes)
            else np.zeros(len(self.average_precision))
        )
        return values

    def of_class(self, row: int) -> np.ndarray:
        """AP50-95 of one class in every round. (1 + B,)"""
        values: np.ndarray = self.average_precision[:, row].mean(axis=1)
        return values


def interval(values: np.ndarray) -> Interval:
    """From the value itself, first, and those of the rounds."""
    known = values[1:][np.isfinite(values[1:])]
    low, high = np.quantile(known, ((1 - COVERED) / 2, (1 + COVERED) / 2)) if len(known) else (values[0], values[0])
    return Interval(float(values[0]), float(low), float(high))


def bootstrap_weights(num_images: int, rounds: int, seed: int) -> np.ndarray:
    """How often each image counts: once in the validation itself, as drawn in the rounds. (1 + B, N)"""
    draw = generator(seed, Purpose.BOOTSTRAP, num_images)
    drawn = (
        [np.bincount(draw.integers(num_images, size=num_images), minlength=num_images) for _ in range(rounds)]
        if num_images
        else []
    )
    return np.stack([np.ones(num_images), *drawn])


def resampled(flat: Flat, weights: np.ndarray) -> Rounds:
    """AP of every round. weights (1 + B, N)"""
    hits = hits_of(flat)
    out = left_out(flat, hits)
    order = order_by_class(flat.detections[:, 4], flat.detections[:, 5])
    classes = np.unique(flat.labels[:, 0]).astype(int)
    found_classes = flat.detections[order, 5]
    result = np.full((len(weights), len(classes), hits.shape[1]), np.nan)
    for row, number in enumerate(classes):
        mine = order[slice(*np.searchsorted(found_classes, (number, number + 1)))]
        labels = weights[:, flat.label_images[flat.labels[:, 0] == number]].sum(axis=1)
        for first in range(0, len(weights), CHUNK):
            rows = slice(first, first + CHUNK)
            result[rows, row] = _areas(
                hits[mine],
                weights[rows][:, flat.detection_images[mine]],
                labels[rows],
                None if out is None else out[mine],
            )
    return Rounds(classes, result)


def _areas(hits: np.ndarray, weights: np.ndarray, num_labels: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """AP of one class.

    In some rounds at every threshold. hits (m, T), weights (b, m), num_labels (b,), left out (m, T) -> (b, T)
    """
    said = weights.cumsum(axis=1)
    columns = []
    for t in range(hits.shape[1]):
        if out is not None:
            said = (weights * ~out[:, t]).cumsum(axis=1)
        at = np.flatnonzero(hits[:, t])
        right = weights[:, at].cumsum(axis=1)
        columns.append(_area(right, said[:, at], said[:, -1] if said.shape[1] else np.zeros(len(said)), num_labels))
    areas = np.stack(columns, axis=1)
    areas[num_labels == 0] = np.nan
    return areas


def _area(right: np.ndarray, said: np.ndarray, total: np.ndarray, num_labels: np.ndarray) -> np.ndarray:
    """The trapezoid of 101 recall points under a stairway.

    How many points each stair covers, and a line from its end down to (1, 0). (b, k) -> (b,)
    """
    if not right.shape[1]:
        return np.zeros(len(right))
    reached = right / (num_labels[:, None] + EPS)
    stairs = np.maximum.accumulate(np.divide(right, said, out=np.zeros_like(right), where=said > 0)[:, ::-1], axis=1)[
        :, ::-1
    ]
    points = np.searchsorted(RECALL_POINTS, reached, "left")  # recall points below this recall
    covered = np.diff(points, axis=1, prepend=0)
    last, end = right[:, -1] / np.maximum(total, EPS), reached[:, -1]
    beyond = RECALL_POINTS[None, :]
    line = np.where(
        np.arange(len(RECALL_POINTS)) >= points[:, -1:],
        last[:, None] * (1 - beyond) / np.maximum(1 - end, EPS)[:, None],
        0.0,
    )
    line[:, -1] = 0.0
    first = np.where(points[:, -1] > 0, stairs[np.arange(len(stairs)), (points > 0).argmax(axis=1)], line[:, 0])
    area: np.ndarray = ((stairs * covered).sum(axis=1) + line.sum(axis=1) - first / 2) / (len(RECALL_POINTS) - 1)
    return area
