# SPDX-License-Identifier: Apache-2.0
"""The camera: fading light, colour cast, exposure, contrast, blur, grain. Nothing moves, so labels stay true."""

from __future__ import annotations

import math

import cv2
import numpy as np

from boxwright.data.drawn.light import Light

MIDDLE_GREY = 110.0  # contrast turns around this
SOFT_SHARE, SHAKEN_SHARE = 0.22, 0.1  # of the pictures are out of focus, are blurred by movement
MOST_GRAIN = 9.0  # standard deviation, of 255


def photograph(rng: np.random.Generator, picture: np.ndarray, light: Light) -> np.ndarray:
    """What a camera makes of a scene. (side, side, 3) float32 -> uint8"""
    cast = 1 + rng.uniform(-0.1, 0.1, 3)
    exposure, contrast = rng.uniform(0.7, 1.25), rng.uniform(0.8, 1.12)
    falling = _fall_off(rng, picture.shape[0], light)[..., None] * (cast * exposure * contrast).astype(np.float32)
    seen = _blurred(rng, picture * falling + np.float32(MIDDLE_GREY * (1 - contrast)))
    grain = np.float32(rng.uniform(0, MOST_GRAIN)) * rng.standard_normal(seen.shape, np.float32)
    result: np.ndarray = (seen + grain).clip(0, 255).astype(np.uint8)
    return result


def _fall_off(rng: np.random.Generator, side: int, light: Light) -> np.ndarray:
    """How bright each place is: more towards the light, less in the corners. (side, side) float32"""
    step = np.arange(side, dtype=np.float32) / side - 0.5
    x, y = step[None, :], step[:, None]
    one_sided, vignette = np.float32(rng.uniform(0, 0.45)), np.float32(rng.uniform(0, 0.5))
    result: np.ndarray = 1 + one_sided * (x * np.float32(light.x) + y * np.float32(light.y)) - vignette * (x**2 + y**2)
    return result


def _blurred(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    chance = rng.random()
    if chance < SOFT_SHARE:
        return cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 1.6))
    if chance < SOFT_SHARE + SHAKEN_SHARE:
        return cv2.filter2D(picture, -1, _shake(rng))
    return picture


def _shake(rng: np.random.Generator) -> np.ndarray:
    """A short line through the middle, summing to 1. Of odd length, so that it moves nothing. (K, K) float32"""
    half = int(rng.integers(1, 4))
    angle = rng.uniform(0, math.pi)
    dx, dy = round(half * math.cos(angle)), round(half * math.sin(angle))
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    cv2.line(kernel, (half - dx, half - dy), (half + dx, half + dy), 1.0, 1)
    result: np.ndarray = kernel / kernel.sum()
    return result
