# SPDX-License-Identifier: Apache-2.0
"""The textbook metrics: image by image, threshold by threshold, class by class."""

from __future__ import annotations

import numpy as np


def iou(a: np.ndarray, b: np.ndarray) -> float:
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    intersection = max(w, 0) * max(h, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - intersection
    return intersection / (union + 1e-7)


def match_image(detections: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Hits of one image. detections (M, 6) by falling confidence, labels (L, 5) class, xyxy -> (M, T) bool"""
    hits = np.zeros((len(detections), len(thresholds)), bool)
    table = np.array(
        [[iou(d[:4], label[1:]) if d[5] == label[0] else 0.0 for label in labels] for d in detections]
    ).reshape(len(detections), len(labels))
    for t, threshold in enumerate(thresholds):
        taken = set()
        for m in range(len(detections)):
            if not len(labels) or table[m].max() < threshold:
                continue
            best = int(table[m].argmax())
            if best not in taken:
                taken.add(best)
                hits[m, t] = True
    return hits


def average_precision(hits: np.ndarray, confidences: np.ndarray, num_labels: int) -> float:
    """Area under the precision envelope of one class and threshold, 101 points."""
    order = np.argsort(-confidences, kind="stable")
    found = np.cumsum(hits[order])
    recall = np.concatenate(([0.0], found / (num_labels + 1e-16), [1.0]))
    precision = np.concatenate(([1.0], found / np.arange(1, len(hits) + 1), [0.0]))
    for i in range(len(precision) - 2, -1, -1):
        precision[i] = max(precision[i], precision[i + 1])
    grid = np.linspace(0, 1, 101)
    return float(np.trapezoid(np.interp(grid, recall, precision), grid))
