# SPDX-License-Identifier: Apache-2.0
"""Suppression of one image in one call. P predictions, C classes, M detections."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from boxwright.native.binary import require

_RULES = np.dtype(
    [
        ("min_score", "f4"),
        ("max_iou", "f4"),
        ("multi_label", "i4"),
        ("agnostic", "i4"),
        ("shift", "f4"),
        ("unused", "i4"),
        ("candidates", "i8"),
        ("det", "i8"),
    ]
)


class Limits(NamedTuple):
    """What counts as a detection. `shift` is how many pixels apart classes are moved; 0 compares classes as classes."""

    min_score: float
    max_iou: float
    multi_label: bool
    agnostic: bool
    shift: float
    max_candidates: int
    max_det: int


def suppress(prediction: np.ndarray, limits: Limits, classes: tuple[int, ...] | None = None) -> tuple[np.ndarray, int]:
    """Detections (M, 6) of a dense prediction (P, 5 + C) float32, and how many candidates the cap left out."""
    library = require()
    prediction = np.ascontiguousarray(prediction)
    assert prediction.dtype == np.float32
    num_classes = prediction.shape[1] - 5
    wanted = np.ones(num_classes, np.uint8)
    if classes is not None:
        wanted = np.isin(np.arange(num_classes), classes).astype(np.uint8)
    rules = np.array((*limits[:5], 0, *limits[5:]), _RULES)
    out, capped = np.empty((min(limits.max_det, len(prediction) * num_classes), 6), np.float32), np.zeros(1, np.int64)
    count = library.boxwright_suppress(
        prediction.ctypes.data,
        len(prediction),
        num_classes,
        wanted.ctypes.data,
        rules.ctypes.data,
        out.ctypes.data,
        capped.ctypes.data,
    )
    return out[:count].copy(), int(capped[0])
