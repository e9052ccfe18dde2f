# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix: rows what was said, columns what is true, last row and column background."""

from __future__ import annotations

import numpy as np

from boxwright.metrics.matching import Pairs, best_label_of_each_detection, overlapping_pairs

MIN_CONFIDENCE = 0.25
MIN_IOU = 0.45


def confusion(
    detections: np.ndarray,
    labels: np.ndarray,
    detection_images: np.ndarray,
    label_images: np.ndarray,
    num_classes: int,
    *,
    min_confidence: float = MIN_CONFIDENCE,
) -> np.ndarray:
    """Counts over all images. detections (M, 6) xyxy, confidence, class.

    Labels (L, 5) class, xyxy -> (C + 1, C + 1) int

    Every confident detection and every label is counted exactly once, also in images where nothing matches.
    """
    sure = detections[:, 4] > min_confidence
    detections, detection_images = detections[sure], detection_images[sure]
    matched = found_objects(detections, labels, detection_images, label_images)
    said, true = detections[:, 5].astype(int), labels[:, 0].astype(int)
    alone = np.setdiff1d(np.arange(len(said)), matched.detection), np.setdiff1d(np.arange(len(true)), matched.label)
    rows = np.concatenate((said[matched.detection], said[alone[0]], np.full(len(alone[1]), num_classes)))
    columns = np.concatenate((true[matched.label], np.full(len(alone[0]), num_classes), true[alone[1]]))
    counts = np.bincount(rows * (num_classes + 1) + columns, minlength=(num_classes + 1) ** 2)
    return counts.reshape(num_classes + 1, num_classes + 1)


def found_objects(
    detections: np.ndarray, labels: np.ndarray, detection_images: np.ndarray, label_images: np.ndarray
) -> Pairs:
    """Which detection stands on which label, of whatever class, each at most once."""
    touching = overlapping_pairs(detections[:, :4], detection_images, labels[:, 1:], label_images, MIN_IOU)
    over = touching.iou > MIN_IOU
    return one_to_one(Pairs(*(column[over] for column in touching)))


def precision_recall(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each class, from counts: right among all that was said, and right among all that is true.

    NaN where there is nothing. (C,), (C,)
    """
    right = np.diag(matrix)[:-1].astype(np.float64)
    said, true = matrix.sum(axis=1)[:-1], matrix.sum(axis=0)[:-1]
    empty = np.full(len(right), np.nan)
    return np.divide(right, said, out=empty.copy(), where=said > 0), np.divide(
        right, true, out=empty.copy(), where=true > 0
    )


def shares(matrix: np.ndarray, axis: int) -> np.ndarray:
    """Counts as shares of their column (axis 0: of each true class) or row (axis 1: of each predicted one).

    NaN where there are none.
    """
    sums = matrix.sum(axis=axis, keepdims=True)
    result: np.ndarray = np.divide(matrix, sums, out=np.full(matrix.shape, np.nan), where=sums > 0)
    return result


def one_to_one(pairs: Pairs) -> Pairs:
    """Each detection keeps its best label, then each label its best detection (of equal ones the more confident)."""
    best = best_label_of_each_detection(pairs)
    order = np.lexsort((best.detection, -best.iou, best.label))
    chosen = order[np.unique(best.label[order], return_index=True)[1]]
    return Pairs(best.detection[chosen], best.label[chosen], best.iou[chosen])
