# SPDX-License-Identifier: Apache-2.0
"""Precision, recall and average precision by this family's rule.

C classes that have labels, T IoU thresholds, G grid points of confidence. AP is the trapezoid area under the
precision envelope at 101 recall points. P and R are read at the confidence where the mean F1, smoothed, is highest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxwright.native import matching as compiled
from boxwright.native.binary import kernels

EPS = 1e-16
CONFIDENCE_GRID = np.linspace(0, 1, 1000)
RECALL_POINTS = np.linspace(0, 1, 101)
FLOAT_BITS = 32
READ_IOU = 0.5  # at which P and R are read: the first of the thresholds
SMOOTHING = 0.1  # share of the grid that the box filter of the F1 curve covers


@dataclass(frozen=True)
class Curves:
    """What the hits of a data set say, per class. Curves are at the first IoU threshold over the confidence grid."""

    classes: np.ndarray  # (C,) class numbers
    num_labels: np.ndarray  # (C,)
    average_precision: np.ndarray  # (C, T)
    precision: np.ndarray  # (C, G)
    recall: np.ndarray  # (C, G)
    recall_precision: np.ndarray  # (C, G) precision over recall 0..1, the PR curve
    operating_point: int  # index into the grid

    @property
    def f1(self) -> np.ndarray:
        """(C, G)"""
        result: np.ndarray = 2 * self.precision * self.recall / (self.precision + self.recall + EPS)
        return result

    @property
    def confidence(self) -> float:
        """The confidence at which P and R are read."""
        return float(CONFIDENCE_GRID[self.operating_point])


def curves(
    hits: np.ndarray,
    confidences: np.ndarray,
    predicted: np.ndarray,
    labelled: np.ndarray,
    *,
    left_out: np.ndarray | None = None,
) -> Curves:
    """Curves of every class that has labels. hits (M, T) bool, confidences (M,), classes of detections (M,)

    And labels (L,)

    `left_out` (M, T) are detections that are neither right nor wrong at a threshold.
    """
    by_class = order_by_class(confidences, predicted)
    predicted = predicted[by_class]
    classes, num_labels = np.unique(labelled, return_counts=True)
    shape = len(classes), len(CONFIDENCE_GRID)
    average = np.zeros((len(classes), hits.shape[1]))
    precision, recall, recall_precision = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for row, (number, labels) in enumerate(zip(classes, num_labels, strict=True)):
        mine = by_class[slice(*np.searchsorted(predicted, (number, number + 1)))]
        if len(mine):
            out = None if left_out is None else left_out[mine]
            found = _of_class(hits.take(mine, axis=0), confidences[mine], int(labels), out)
            average[row], precision[row], recall[row], recall_precision[row] = found
    f1 = 2 * precision * recall / (precision + recall + EPS)
    point = int(smoothed(f1.mean(axis=0)).argmax()) if len(classes) else 0
    return Curves(classes.astype(int), num_labels, average, precision, recall, recall_precision, point)


def best_confidences(found: Curves) -> np.ndarray:
    """The confidence at which the F1 of each class is highest, smoothed as the mean is. (C,)"""
    return np.array([CONFIDENCE_GRID[smoothed(row).argmax()] for row in found.f1], np.float64)


def order_by_class(confidences: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Detections class after class, each by falling confidence, of equal ones the first. (M,)"""
    place_bits, class_bits = len(confidences).bit_length(), int(predicted.max(initial=0)).bit_length()
    fits = place_bits + class_bits <= 64 - FLOAT_BITS and confidences.dtype == np.float32
    if not (fits and (confidences >= 0).all() and (predicted >= 0).all()):
        result: np.ndarray = np.lexsort((-confidences, predicted))
        return result
    # One whole number holds class, confidence and place: the bits of floats of one sign are in the order of the floats.
    # Sorting numbers is much cheaper.
    falling = np.uint32(0xFFFFFFFF) - (confidences + np.float32(0)).view(np.uint32)  # + 0 turns -0 into 0
    packed = predicted.astype(np.uint64) << np.uint64(FLOAT_BITS + place_bits)
    packed |= falling.astype(np.uint64) << np.uint64(place_bits)
    packed |= np.arange(len(confidences), dtype=np.uint64)
    packed.sort()
    return (packed & np.uint64((1 << place_bits) - 1)).astype(np.int64)


def _of_class(
    hits: np.ndarray, confidences: np.ndarray, num_labels: int, out: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """AP per threshold and the three curves of one class, whose rows are in order of falling confidence."""
    if out is not None and out.any():
        average = np.array(
            [areas(hits[~gone, t : t + 1], num_labels)[0] if hits[:, t].any() else 0.0 for t, gone in enumerate(out.T)]
        )
        kept = ~out[:, 0]
        nothing = np.zeros(len(CONFIDENCE_GRID))
        _, precision, recall, pr_curve = (
            _of_class(hits[kept, :1], confidences[kept], num_labels, None)
            if kept.any()
            else (average, nothing, nothing, nothing)
        )
        return average, precision, recall, pr_curve
    recall, precision = recall_precision_of(hits[:, 0], num_labels)
    over_confidence = [
        np.interp(-CONFIDENCE_GRID, -confidences, curve, left=left) for curve, left in ((precision, 1.0), (recall, 0.0))
    ]
    bends = corners(hits[:, 0])
    pr_curve = np.interp(CONFIDENCE_GRID, *envelope(recall[bends], precision[bends]))
    return areas(hits, num_labels), over_confidence[0], over_confidence[1], pr_curve


def recall_precision_of(hits: np.ndarray, num_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision after each detection of one class at one threshold. (M,) bool -> (M,), (M,)"""
    found = hits.cumsum()
    return found / (num_labels + EPS), found / np.arange(1, len(hits) + 1)


def areas(hits: np.ndarray, num_labels: int) -> np.ndarray:
    """AP of one class at every threshold. (M, T) bool -> (T,)"""
    if kernels() is not None:
        return compiled.areas(hits, num_labels + EPS, RECALL_POINTS)
    return np.array([_area(column, num_labels) for column in hits.T])


def _area(hits: np.ndarray, num_labels: int) -> float:
    """AP of one class at one threshold, looking only where the envelope can bend."""
    bends = corners(hits)
    right = hits.cumsum()[bends]
    return average_precision(right / (num_labels + EPS), right / (bends + 1))


def corners(hits: np.ndarray) -> np.ndarray:
    """Where an envelope can bend: at each right detection, just before it, and at the last one.

    Between two of them precision only falls. (M,) -> (K,)
    """
    at = np.flatnonzero(hits)
    merged = np.concatenate((at[:, None] - 1, at[:, None]), axis=1).ravel()
    keep = np.concatenate(([True], merged[1:] > merged[:-1])) & (merged >= 0) if len(merged) else np.zeros(0, bool)
    end = [] if len(at) and at[-1] == len(hits) - 1 else [len(hits) - 1]
    return np.concatenate((merged[keep], end)).astype(np.int64)


def envelope(recall: np.ndarray, precision: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall and precision made monotone (the best precision at this recall or beyond)

    With the ends (0, 1) and (1, 0).

    Recall moves only at true positives; of every run of equal recall just its first and last point shape the curve.
    """
    recall = np.concatenate(([0.0], recall, [1.0]))
    precision = np.concatenate(([1.0], precision, [0.0]))
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    rises = np.flatnonzero(recall[1:] != recall[:-1])
    corners = np.unique(np.concatenate(([0], rises, rises + 1, [len(recall) - 1])))
    return recall[corners], best_beyond[corners]


def average_precision(recall: np.ndarray, precision: np.ndarray) -> float:
    """Area under the envelope, 101 points, trapezoid rule."""
    return float(np.trapezoid(np.interp(RECALL_POINTS, *envelope(recall, precision)), RECALL_POINTS))


def smoothed(values: np.ndarray, share: float = SMOOTHING) -> np.ndarray:
    """Box filter over this share of the values, of odd width, ends padded with the first and last value.

    (G,) -> (G,)
    """
    width = round(len(values) * share * 2) // 2 + 1
    padded = np.concatenate((np.full(width // 2, values[0]), values, np.full(width // 2, values[-1])))
    return np.convolve(padded, np.ones(width) / width, mode="valid")
