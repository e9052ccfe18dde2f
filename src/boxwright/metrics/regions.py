# SPDX-License-Identifier: Apache-2.0
"""Regions to ignore: crowds, difficult objects. A detection in one that stands on no object is neither right nor wrong.

M detections, L labels, K regions. A detection lies in a region of its class and image that covers at least half of it,
at every IoU threshold; the COCO protocol, which asks for as much as its threshold, has its own way (`coco.py`).
"""

from __future__ import annotations

import numpy as np

from boxwright.metrics.coco import CocoInput
from boxwright.metrics.confusion import MIN_CONFIDENCE, confusion, found_objects
from boxwright.metrics.flat import Flat
from boxwright.metrics.matching import hits, joined, keys

MIN_COVERED = 0.5


def covered(flat: Flat) -> np.ndarray:
    """Which detections lie in a region of their class. (M,) bool"""
    found = flat.detections
    result = np.zeros(len(found), bool)
    if not len(flat.regions):
        return result
    detection, region = joined(
        keys(flat.detection_images, found[:, 5], flat.num_classes),
        keys(flat.region_images, flat.regions[:, 0], flat.num_classes),
    )
    boxes, regions = found[detection, :4].astype(np.float64), flat.regions[region, 1:].astype(np.float64)
    side = (np.minimum(boxes[:, 2:], regions[:, 2:]) - np.maximum(boxes[:, :2], regions[:, :2])).clip(0)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    result[detection[(side.prod(axis=1) >= MIN_COVERED * areas) & (areas > 0)]] = True
    return result


def hits_of(flat: Flat) -> np.ndarray:
    """Which detection found a label of its class, at every threshold. (M, T) bool"""
    found, labels = flat.detections, flat.labels
    found_keys, label_keys = (
        keys(images, classes, flat.num_classes)
        for images, classes in ((flat.detection_images, found[:, 5]), (flat.label_images, labels[:, 0]))
    )
    return hits(found[:, :4], found_keys, labels[:, 1:], label_keys)


def left_out(flat: Flat, right: np.ndarray) -> np.ndarray | None:
    """Of the detections that are not right at a threshold those that count for nothing; None: there are none.

    (M, T) bool, (M, T) bool
    """
    inside = covered(flat)
    return ~right & inside[:, None] if inside.any() else None


def in_ignored_regions(flat: Flat, min_confidence: float) -> np.ndarray:
    """Of the detections above a confidence those that lie in a region and stand on no object of any class. (M,) bool"""
    sure = np.flatnonzero(flat.detections[:, 4] > min_confidence)
    result = np.zeros(len(flat.detections), bool)
    inside = covered(flat)[sure]
    if inside.any():
        matched = found_objects(flat.detections[sure], flat.labels, flat.detection_images[sure], flat.label_images)
        inside[matched.detection] = False
        result[sure[inside]] = True
    return result


def confusion_of(flat: Flat, min_confidence: float = MIN_CONFIDENCE) -> np.ndarray:
    """The confusion matrix without what lies in regions. (C + 1, C + 1) int"""
    kept = ~in_ignored_regions(flat, min_confidence)
    return confusion(
        flat.detections[kept],
        flat.labels,
        flat.detection_images[kept],
        flat.label_images,
        flat.num_classes,
        min_confidence=min_confidence,
    )


def found_above(flat: Flat, min_confidence: float) -> tuple[int, int]:
    """Objects that a detection of their class above a confidence lies on, and how many detections count there.

    What P and R are made of.
    """
    right, sure = hits_of(flat)[:, :1], flat.detections[:, 4] > min_confidence
    nothing = left_out(flat, right)
    counted = sure if nothing is None else sure & ~nothing[:, 0]
    return int((right[:, 0] & sure).sum()), int(counted.sum())


def coco_input(flat: Flat) -> CocoInput:
    """The same for the COCO protocol, where regions are crowds among the labels."""
    labels, images, areas = flat.labels, flat.label_images, flat.areas_px
    if areas is not None:
        boxes = labels[:, 1:].astype(np.float64)
        areas = np.where(np.isfinite(areas), areas, (boxes[:, 2:] - boxes[:, :2]).prod(axis=1))
    if not len(flat.regions):
        return CocoInput(flat.detections, flat.detection_images, labels, images, areas=areas)
    crowd = np.arange(len(labels) + len(flat.regions)) >= len(labels)
    areas = (
        None if areas is None else np.concatenate((areas, np.ones(len(flat.regions))))
    )  # the area of what is ignored anyway is of no account
    labels, images = np.concatenate((labels, flat.regions)), np.concatenate((images, flat.region_images))
    return CocoInput(flat.detections, flat.detection_images, labels, images, crowd, areas)
