# SPDX-License-Identifier: Apache-2.0
"""How well anchors fit the boxes of a data set. Sizes are (.., 2) width, height in pixels of the training image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class AnchorFit(NamedTuple):
    """`recall`: share of boxes that some anchor can learn (best possible recall). `per_box`: anchors per box that can.

    `fitness`: mean closeness of the best anchor, counted only where it can learn.
    """

    recall: float
    per_box: float
    fitness: float


def closeness(boxes_wh_px: np.ndarray, anchors_wh_px: np.ndarray) -> np.ndarray:
    """The worse of the two side ratios, each taken so that it is at most 1. (N, 2), (A, 2) -> (N, A)"""
    ratio = boxes_wh_px[:, None] / anchors_wh_px[None]
    result: np.ndarray = np.minimum(ratio, 1 / ratio).min(axis=2)
    return result


def fit(boxes_wh_px: np.ndarray, anchors_wh_px: np.ndarray, anchor_t: float) -> AnchorFit:
    """Measure anchors against boxes: an anchor can learn a box when neither side differs by `anchor_t` times or more."""
    close = closeness(boxes_wh_px, anchors_wh_px.reshape(-1, 2))
    best, limit = close.max(axis=1), 1 / anchor_t
    able = close > limit
    return AnchorFit(float((best > limit).mean()), float(able.sum(axis=1).mean()), float((best * (best > limit)).mean()))


def ordered_by_area(anchors_wh_px: np.ndarray) -> np.ndarray:
    """Anchors from small to large, so that they can be dealt out to levels from fine to coarse. (A, 2)"""
    return anchors_wh_px[np.argsort(anchors_wh_px.prod(axis=1), kind="stable")]
