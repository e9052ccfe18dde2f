# SPDX-License-Identifier: Apache-2.0
"""A validation as textbooks write it: image after image, class after class, one matrix of overlaps each."""

from __future__ import annotations

import numpy as np

THRESHOLDS = np.linspace(0.5, 0.95, 10)
GRID = np.linspace(0, 1, 101)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(M, 4), (L, 4) -> (M, L)"""
    side = (
        np.minimum(first[:, None, 2:], second[None, :, 2:]) - np.maximum(first[:, None, :2], second[None, :, :2])
    ).clip(0)
    areas = (first[:, 2:] - first[:, :2]).prod(1)[:, None] + (second[:, 2:] - second[:, :2]).prod(1)[None]
    intersection = side.prod(2)
    return intersection / (areas - intersection + np.float32(1e-7))


def hits_of_image(found: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M, 6) best first, (L, 5) -> (M, T)"""
    hits = np.zeros((len(found), len(THRESHOLDS)), bool)
    if not len(labels) or not len(found):
        return hits
    table = np.where(found[:, 5:6] == labels[None, :, 0], overlaps(found[:, :4], labels[:, 1:]), 0)
    for t, threshold in enumerate(THRESHOLDS):
        found_at, label_at = np.nonzero(table >= threshold)
        order = np.argsort(-table[found_at, label_at], kind="stable")
        found_at, label_at = found_at[order], label_at[order]
        _, best = np.unique(found_at, return_index=True)
        found_at, label_at = found_at[best], label_at[best]
        _, first = np.unique(label_at, return_index=True)
        hits[found_at[first], t] = True
    return hits


def validation_of_images(
    found: np.ndarray, found_images: np.ndarray, labels: np.ndarray, label_images: np.ndarray
) -> np.ndarray:
    """AP of every class and threshold, and the curves that pictures need. -> (C, T)"""
    images = range(int(max(found_images.max(), label_images.max())) + 1)
    firsts = [
        np.searchsorted(side, [*images, len(images)]) for side in (found_images, label_images)
    ]  # both stand in order of images
    hits = np.concatenate(
        [hits_of_image(found[firsts[0][i] : firsts[0][i + 1]], labels[firsts[1][i] : firsts[1][i + 1]]) for i in images]
    )
    order = np.argsort(-found[:, 4], kind="stable")
    hits, scores, classes = hits[order], found[order, 4], found[order, 5]
    numbers, totals = np.unique(labels[:, 0], return_counts=True)
    result = np.zeros((len(numbers), len(THRESHOLDS)))
    confidence_grid = np.linspace(0, 1, 1000)
    for row, (number, total) in enumerate(zip(numbers, totals, strict=True)):
        mine = classes == number
        true = hits[mine].cumsum(0)
        false = (~hits[mine]).cumsum(0)
        recall, precision = true / (total + 1e-16), true / np.maximum(true + false, 1)
        np.interp(-confidence_grid, -scores[mine], recall[:, 0], left=0)
        np.interp(-confidence_grid, -scores[mine], precision[:, 0], left=1)
        for t in range(len(THRESHOLDS)):
            r = np.concatenate(([0.0], recall[:, t], [1.0]))
            p = np.concatenate(([1.0], precision[:, t], [0.0]))
            p = np.flip(np.maximum.accumulate(np.flip(p)))
            result[row, t] = np.trapezoid(np.interp(GRID, r, p), GRID)
            if t == 0:
                np.interp(confidence_grid, r, p)
    return result
