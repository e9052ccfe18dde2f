# SPDX-License-Identifier: Apache-2.0
"""Rectangular batches: images of similar shape go together, so that little is padded."""

from __future__ import annotations

import math

import numpy as np


def order_by_shape(sizes_wh: np.ndarray) -> np.ndarray:
    """Indices from the flattest image to the tallest. (N, 2) -> (N,)"""
    return np.argsort(sizes_wh[:, 1] / sizes_wh[:, 0], kind="stable")


def batch_shapes(sizes_wh: np.ndarray, image_size: int, stride: int, pad: float, batch_size: int) -> np.ndarray:
    """Height and width of every batch, for sizes already in order of shape. (B, 2) int

    A batch of only flat images is made lower, one of only tall ones narrower; `pad` strides are added.
    """
    ratios = sizes_wh[:, 1] / sizes_wh[:, 0]
    shapes = []
    for start in range(0, len(ratios), batch_size):
        lowest, highest = ratios[start : start + batch_size].min(), ratios[start : start + batch_size].max()
        relative_hw = (highest, 1.0) if highest < 1 else (1.0, 1 / lowest) if lowest > 1 else (1.0, 1.0)
        shapes.append([math.ceil(side * image_size / stride + pad) * stride for side in relative_hw])
    return np.array(shapes, np.int64).reshape(-1, 2)
