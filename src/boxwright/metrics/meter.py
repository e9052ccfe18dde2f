# SPDX-License-Identifier: Apache-2.0
"""The meter of a validation: update with images, merge with other meters, compute once.

It keeps flat arrays by image number, so that the result does not depend on the order of images or on who saw which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxwright.metrics.confusion import confusion
from boxwright.metrics.curves import Curves, curves
from boxwright.metrics.matching import hits, keys
from boxwright.metrics.scores import Scores


@dataclass(frozen=True)
class Metrics:
    """What a validation found. Per-class arrays follow `curves.classes`."""

    scores: Scores
    curves: Curves
    images_with_class: np.ndarray  # (C,) of the classes of the curves
    num_images: int
    num_labels: int
    confusion: np.ndarray  # (all classes + 1, all classes + 1)

    @property
    def map_by_class(self) -> np.ndarray:
        """mAP50-95 of every class of the data set, the mean where a class has no labels. (all classes,)"""
        values = np.full(len(self.confusion) - 1, self.scores.map50_95)
        values[self.curves.classes] = self.curves.average_precision.mean(axis=1)
        return values


class Meter:
    """Collects detections and labels, both in native pixels."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._images: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def update(self, image: int, detections: np.ndarray, labels: np.ndarray) -> None:
        """One image: detections (M, 6) xyxy, confidence, class, best first; labels (L, 5) class, xyxy."""
        self._images[image] = detections.astype(np.float32), labels.astype(np.float32)

    def merge(self, other: Meter) -> None:
        """Take over the images of another meter."""
        self._images |= other._images

    def compute(self) -> Metrics:
        """The metrics of all images together."""
        numbers = sorted(self._images)
        found = _stacked([self._images[n][0] for n in numbers], 6)
        labels = _stacked([self._images[n][1] for n in numbers], 5)
        found_images, label_images = (np.repeat(np.arange(len(numbers)), [len(self._images[n][side]) for n in numbers]) for side in (0, 1))
        found_keys, label_keys = keys(found_images, found[:, 5], self.num_classes), keys(label_images, labels[:, 0], self.num_classes)
        curve = curves(hits(found[:, :4], found_keys, labels[:, 1:], label_keys), found[:, 4], found[:, 5], labels[:, 0])
        with_class = np.unique(np.stack((label_images, labels[:, 0].astype(int))), axis=1)[1] if len(labels) else np.zeros(0, int)
        return Metrics(
            scores=_scores(curve),
            curves=curve,
            images_with_class=np.bincount(with_class, minlength=self.num_classes)[curve.classes],
            num_images=len(numbers),
            num_labels=len(labels),
            confusion=confusion(found, labels, found_images, label_images, self.num_classes),
        )


def _stacked(arrays: list[np.ndarray], columns: int) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros((0, columns), np.float32)


def _scores(found: Curves) -> Scores:
    if not len(found.classes):
        return Scores(0.0, 0.0, 0.0, 0.0)
    at = found.operating_point
    average = found.average_precision
    return Scores(*(float(values.mean()) for values in (found.precision[:, at], found.recall[:, at], average[:, 0], average)))
