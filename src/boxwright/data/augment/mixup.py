# SPDX-License-Identifier: Apache-2.0
"""Mixup: two mosaics blended into one picture, with the labels of both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from boxwright.config.schema.augment import AugmentSettings

if TYPE_CHECKING:
    import numpy as np


def drawn_share(draw: np.random.Generator, settings: AugmentSettings) -> float:
    """How much of the first mosaic the blend keeps, by a Beta law. In 0..1."""
    return float(draw.beta(settings.mixup_beta, settings.mixup_beta))


def blended(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """`share` of the first and the rest of the second. (H, W, C) both -> the same"""
    return cv2.addWeighted(first, share, second, 1 - share, 0.0).reshape(first.shape)
