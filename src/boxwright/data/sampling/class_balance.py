# SPDX-License-Identifier: Apache-2.0
"""Class-balanced sampling: how often an image is drawn follows from the classes in it. C classes."""

from __future__ import annotations

import numpy as np


def class_weights(counts: np.ndarray) -> np.ndarray:
    """Rare classes weigh more: 1 / count, summing to 1; a class without boxes counts as having one. (C,) -> (C,)"""
    weights = 1.0 / np.where(counts == 0, 1, counts)
    result: np.ndarray = weights / weights.sum()
    return result


def adapted_class_weights(counts: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Class weights that follow the last validation: what is already found well is drawn less. (C,), (C,) -> (C,)

    `maps` holds mAP50-95 per class, 0 before the first validation. (The later recipes multiply and divide by C on the
    way, which cancels: one formula serves all.)
    """
    result: np.ndarray = class_weights(counts) * (1 - maps) ** 2
    return result


def image_weights(box_classes: np.ndarray, box_images: np.ndarray, num_images: int, weights: np.ndarray) -> np.ndarray:
    """An image weighs what its boxes weigh together. Class and image number of every box -> (num_images,)"""
    return np.bincount(box_images, weights=weights[box_classes], minlength=num_images)
