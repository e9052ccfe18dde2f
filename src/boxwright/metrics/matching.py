# SPDX-License-Identifier: Apache-2.0
"""Which detection found which label. All images at once on flat arrays.

M detections and L labels in all; a pair is a detection and a label of the same image (and, for AP, the same class).
Rows of one image have to stand in order of falling confidence; that order decides who comes first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from boxwright.native import matching as compiled
from boxwright.native.binary import kernels

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)


class Pairs(NamedTuple):
    """Detection index, label index and overlap of every pair that overlaps enough. (K,) each, ordered by detection."""

    detection: np.ndarray
    label: np.ndarray
    iou: np.ndarray


def iou_rows(first_xyxy: np.ndarray, second_xyxy: np.ndarray) -> np.ndarray:
    """IoU of row i with row i, in the precision of the input. (K, 4), (K, 4) -> (K,)"""
    side = np.minimum(first_xyxy[:, 2:], second_xyxy[:, 2:]) - np.maximum(first_xyxy[:, :2], second_xyxy[:, :2])
    intersection = side.clip(0).prod(axis=1)
    areas = (first_xyxy[:, 2:] - first_xyxy[:, :2]).prod(axis=1) + (second_xyxy[:, 2:] - second_xyxy[:, :2]).prod(
        axis=1
    )
    result: np.ndarray = intersection / (areas - intersection + first_xyxy.dtype.type(1e-7))
    return result


def joined(detection_keys: np.ndarray, label_keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Detection and label of all pairs with equal key, ordered by detection, then as labels came. (K,), (K,)"""
    order = np.argsort(label_keys, kind="stable")
    sorted_keys = label_keys[order]
    begin, end = (
        np.searchsorted(sorted_keys, detection_keys, "left"),
        np.searchsorted(sorted_keys, detection_keys, "right"),
    )
    counts = end - begin
    detection = np.repeat(np.arange(len(detection_keys)), counts)
    within = np.arange(len(detection)) - np.repeat(np.cumsum(counts) - counts, counts)
    return detection, order[np.repeat(begin, counts) + within]


def overlapping_pairs(
    detections_xyxy: np.ndarray,
    detection_keys: np.ndarray,
    labels_xyxy: np.ndarray,
    label_keys: np.ndarray,
    min_iou: float,
) -> Pairs:
    """Pairs with equal key whose overlap is at least `min_iou`. A key is any number that says what may be paired."""
    detection, label = joined(detection_keys, label_keys)
    iou = iou_rows(detections_xyxy[detection], labels_xyxy[label])
    enough = iou >= min_iou
    return Pairs(detection[enough], label[enough], iou[enough])


def best_label_of_each_detection(pairs: Pairs) -> Pairs:
    """Of the pairs of one detection only the one with the highest overlap; of equal ones the label that comes first."""
    order = np.lexsort((pairs.label, -pairs.iou, pairs.detection))
    first = np.unique(pairs.detection[order], return_index=True)[1]
    chosen = order[first]
    return Pairs(pairs.detection[chosen], pairs.label[chosen], pairs.iou[chosen])


def hits(
    detections_xyxy: np.ndarray,
    detection_keys: np.ndarray,
    labels_xyxy: np.ndarray,
    label_keys: np.ndarray,
    thresholds: np.ndarray = IOU_THRESHOLDS,
) -> np.ndarray:
    """Which detections are true positives, at every threshold; pairs need equal keys. (M, T) bool"""
    if kernels() is not None:
        return compiled.match(detections_xyxy, detection_keys, labels_xyxy, label_keys, thresholds)
    pairs = overlapping_pairs(detections_xyxy, detection_keys, labels_xyxy, label_keys, float(thresholds.min()))
    return true_positives(pairs, len(detections_xyxy), len(labels_xyxy), thresholds)


def true_positives(
    pairs: Pairs, num_detections: int, num_labels: int, thresholds: np.ndarray = IOU_THRESHOLDS
) -> np.ndarray:
    """Each detection keeps its best label, then each label its first detection, at every threshold. (M, T) bool"""
    best = best_label_of_each_detection(pairs)
    hits = np.zeros((num_detections, len(thresholds)), bool)
    for column, threshold in enumerate(thresholds):
        enough = best.iou >= threshold
        detection, label = best.detection[enough], best.label[enough]
        first_of_label = np.full(num_labels, -1)
        first_of_label[label[::-1]] = detection[::-1]  # the last write stands, and it is the first detection
        hits[first_of_label[first_of_label >= 0], column] = True
    return hits


def keys(images: np.ndarray, classes: np.ndarray, num_classes: int) -> np.ndarray:
    """One number for image and class."""
    result: np.ndarray = images.astype(np.int64) * num_classes + classes.astype(np.int64)
    return result
