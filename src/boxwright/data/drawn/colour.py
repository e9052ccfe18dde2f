# SPDX-License-Identifier: Apache-2.0
"""Colours and their mixing.

A colour is (3,) float64 RGB of 0..255; hues count in turns, all other shares from 0 to 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from boxwright.data.drawn.chance import happens

BLACK = np.zeros(3)
WHITE = np.full(3, 255.0)

Range = tuple[float, float]


def hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """The colour of a hue (any number; whole turns do not matter), a saturation and a value. (3,)"""
    sector = (np.array([5.0, 3.0, 1.0]) + hue % 1.0 * 6.0) % 6.0
    missing = saturation * np.minimum(sector, 4.0 - sector).clip(0.0, 1.0)
    result: np.ndarray = 255.0 * value * (1.0 - missing)
    return result


def any_of(rng: np.random.Generator, saturation: Range, value: Range) -> np.ndarray:
    """A colour of any hue. (3,)"""
    return hsv(rng.random(), rng.uniform(*saturation), rng.uniform(*value))


def typical_pair(
    rng: np.random.Generator,
    hue: float,
    spread: float,
    saturation: Range = (0.5, 0.95),
    value: Range = (0.5, 0.95),
    odd: float = 0.3,
) -> tuple[np.ndarray, np.ndarray]:
    """A main colour around a typical hue and an accent that stands apart from it. (3,), (3,)

    With probability `odd` the main hue is any: a class has to be known by its shape, its colour is only a hint.
    """
    main_hue = rng.random() if happens(rng, odd) else hue + spread * (rng.random() - 0.5)
    main = hsv(main_hue, rng.uniform(*saturation), rng.uniform(*value))
    accent = hsv(main_hue + rng.uniform(0.25, 0.75), rng.uniform(0.3, 0.9), rng.uniform(0.6, 1.0))
    return main, accent


def mix(share: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """A picture that is `first` where the share is 0 and `second` where it is 1.

    (H, W), (3,), (3,) -> (H, W, 3) float32
    """
    begin, step = first.astype(np.float32), (second - first).astype(np.float32)
    result: np.ndarray = begin + share.clip(0, 1)[..., None] * step
    return result


def drawable(rgb: np.ndarray) -> tuple[float, float, float]:
    """A colour as OpenCV takes it, clipped to what eight bits hold."""
    red, green, blue = rgb.clip(0, 255).tolist()
    return red, green, blue


def lay_over(picture: np.ndarray, mask: np.ndarray, rgb: np.ndarray, strength: float = 1.0) -> None:
    """Paint in place through a mask. (H, W, 3) uint8 or float32, (H, W) uint8, (3,)"""
    left, top, width, height = cv2.boundingRect(mask)
    window = np.s_[top : top + height, left : left + width]
    share = mask[window].astype(np.float32)[..., None] * np.float32(strength / 255)
    below = picture[window].astype(np.float32)
    picture[window] = below + share * (rgb.clip(0, 255).astype(np.float32) - below)
