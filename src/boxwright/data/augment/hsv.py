# SPDX-License-Identifier: Apache-2.0
"""HSV augmentation: random gains on hue, saturation and value, applied by lookup tables."""

from __future__ import annotations

import cv2
import numpy as np

from boxwright.config.schema.augment import AugmentSettings

_LEVELS = np.arange(256, dtype=np.float64)
HUES = 180  # OpenCV counts hue in steps of two degrees


def drawn_gains(draw: np.random.Generator, settings: AugmentSettings) -> tuple[float, float, float]:
    """Gains around 1 for hue, saturation and value."""
    gains = 1 + draw.uniform(-1, 1, 3) * (settings.hsv_h, settings.hsv_s, settings.hsv_v)
    return float(gains[0]), float(gains[1]), float(gains[2])


def with_gains(image_bgr: np.ndarray, gains_hsv: tuple[float, float, float]) -> np.ndarray:
    """Hue times its gain modulo the circle, saturation and value times theirs, cut at full.

    (H, W, 3) uint8 -> the same
    """
    if gains_hsv == (1.0, 1.0, 1.0):
        return image_bgr
    hsv = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)
    cv2.LUT(hsv, _table(gains_hsv), dst=hsv)
    result: np.ndarray = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR, dst=hsv)
    return result


def _table(gains_hsv: tuple[float, float, float]) -> np.ndarray:
    """One table for the three channels together. (1, 256, 3) uint8"""
    hue = (_LEVELS * gains_hsv[0]) % HUES
    saturation, value = ((_LEVELS * gain).clip(0, 255) for gain in gains_hsv[1:])
    return np.stack((hue, saturation, value), axis=-1).astype(np.uint8)[None]
