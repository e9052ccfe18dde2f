# SPDX-License-Identifier: Apache-2.0
"""The meter of a validation: update with images, merge with other meters, compute once.

It keeps flat arrays by image number, so that the result does not depend on the order of images or on who saw which.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxwright.metrics.coco import CocoScores, coco_scores
from boxwright.metrics.curves import Curves, best_confidences, curves
from boxwright.metrics.flat import NO_REGIONS, Flat, SeenImage, flattened
from boxwright.metrics.regions import coco_input, confusion_of, hits_of, left_out
from boxwright.metrics.scores import Scores


@dataclass(frozen=True)
class Metrics:
    """What a validation found. Per-class arrays follow `curves.classes`."""

    scores: Scores
    curves: Curves
    coco: CocoScores
    images_with_class: np.ndarray  # (C,) of the classes of the curves
    best_confidence: np.ndarray  # (C,) where the F1 of each class is highest
    confusion: np.ndarray  # (all classes + 1, all classes + 1)
    flat: Flat  # what all of it was computed from

    @property
    def num_images(self) -> int:
        """Images that were validated."""
        return len(self.flat.images)

    @property
    def num_labels(self) -> int:
        """Objects in them."""
        return len(self.flat.labels)

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
        self._images: dict[int, SeenImage] = {}

    def update(
        self,
        image: int,
        detections: np.ndarray,
        labels: np.ndarray,
        *,
        regions: np.ndarray = NO_REGIONS,
        areas_px: np.ndarray | None = None,
    ) -> None:
        """One image: detections (M, 6) xyxy, confidence, class, best first.

        Labels (L, 5) class, xyxy, regions to ignore (K, 5) likewise.

        `areas_px` (L,) are those that the annotations state, NaN where they do not.
        """
        self._images[image] = SeenImage(
            detections.astype(np.float32), labels.astype(np.float32), regions.astype(np.float32), areas_px
        )

    def merge(self, other: Flat) -> None:
        """Take over what another meter saw, such as that of another process."""
        self._images |= {int(number): other.image(place) for place, number in enumerate(other.images)}

    def flat(self) -> Flat:
        """All images as flat arrays, in the order of their numbers."""
        return flattened(self._images, self.num_classes)

    def compute(self) -> Metrics:
        """The metrics of all images together."""
        return metrics_of(self.flat())


def metrics_of(flat: Flat) -> Metrics:
    """The metrics of what was seen."""
    found, labels = flat.detections, flat.labels
    right = hits_of(flat)
    curve = curves(right, found[:, 4], found[:, 5], labels[:, 0], left_out=left_out(flat, right))
    with_class = (
        np.unique(np.stack((flat.label_images, labels[:, 0].astype(int))), axis=1)[1]
        if len(labels)
        else np.zeros(0, int)
    )
    return Metrics(
        scores=_scores(curve),
        curves=curve,
        coco=coco_scores(coco_input(flat)),
        images_with_class=np.bincount(with_class, minlength=flat.num_classes)[curve.classes],
        best_confidence=best_confidences(curve),
        confusion=confusion_of(flat),
        flat=flat,
    )


def _scores(found: Curves) -> Scores:
    if not len(found.classes):
        return Scores(0.0, 0.0, 0.0, 0.0)
    at = found.operating_point
    average = found.average_precision
    return Scores(
        *(float(values.mean()) for values in (found.precision[:, at], found.recall[:, at], average[:, 0], average))
    )
