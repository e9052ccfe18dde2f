# SPDX-License-Identifier: Apache-2.0
"""Matching and areas under curves on flat arrays. M detections, L labels, T thresholds."""

from __future__ import annotations

import numpy as np

from boxwright.native.binary import require


def match(
    detections_xyxy: np.ndarray,
    detection_keys: np.ndarray,
    labels_xyxy: np.ndarray,
    label_keys: np.ndarray,
    thresholds: np.ndarray,
) -> np.ndarray:
    """Each detection takes its best label of the same key, each label its first detection, at every threshold.

    (M, T) bool.
    """
    library = require()
    assert detections_xyxy.dtype == labels_xyxy.dtype
    assert detections_xyxy.dtype in {np.dtype(np.float32), np.dtype(np.float64)}
    boxes = [np.ascontiguousarray(array) for array in (detections_xyxy, labels_xyxy)]
    keys = [np.ascontiguousarray(array, np.int64) for array in (detection_keys, label_keys)]
    limits = np.ascontiguousarray(thresholds, np.float64)
    hits = np.zeros((len(detections_xyxy), len(thresholds)), bool)
    (found, truth), (found_keys, truth_keys) = boxes, keys
    wide = found.dtype == np.float64
    library.boxwright_match(
        found.ctypes.data,
        found_keys.ctypes.data,
        len(found),
        truth.ctypes.data,
        truth_keys.ctypes.data,
        len(truth),
        wide,
        limits.ctypes.data,
        len(limits),
        hits.ctypes.data,
    )
    return hits


def areas(hits: np.ndarray, num_labels: float, recall_points: np.ndarray) -> np.ndarray:
    """Area under the precision envelope of one class, whose hits (M, T) are by falling confidence. (T,) float64."""
    library = require()
    rows, grid, result = (
        np.ascontiguousarray(hits, bool),
        np.ascontiguousarray(recall_points, np.float64),
        np.empty(hits.shape[1]),
    )
    library.boxwright_areas(rows.ctypes.data, *rows.shape, num_labels, grid.ctypes.data, len(grid), result.ctypes.data)
    return result
