# SPDX-License-Identifier: Apache-2.0
"""One object ready to be placed: drawn large, turned and shrunk to size, then lit as if it bulged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from boxwright.data.drawn.catalogue import Shape
from boxwright.data.drawn.chance import happens
from boxwright.data.drawn.curves import TURN
from boxwright.data.drawn.light import Light
from boxwright.data.drawn.pen import Pen

OVERSIZE = 2.2  # canvas pixels for a pixel of the object: about two are averaged each way
MIN_CANVAS = 48  # pixels: a smaller canvas cannot hold the details
MARGIN = 3  # free pixels on each side of the object
SOLID = 0.35  # a pixel belongs to the object when it covers more than this of it: at half, thin ends would be lost

BULGE = 0.22  # of the object's size is how far from its edge the surface still rises
MAX_RELIEF = 1.6
GLOSSY_RELIEF = 1.0  # rounder objects shine more
GLOSS, SHEEN, SHININESS = 60.0, 22.0, 24  # brightness of the highlight, glossy and other; how small it is


@dataclass(frozen=True)
class Sprite:
    """An object on a small canvas.

    `rgb` (H, W, 3) float32, already times `coverage` (H, W) float32 0..1, and its size in pixels.
    """

    rgb: np.ndarray
    coverage: np.ndarray
    size: float

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the canvas in pixels."""
        return self.coverage.shape[0], self.coverage.shape[1]

    @property
    def solid(self) -> np.ndarray:
        """Which pixels belong to the object. (H, W) bool"""
        result: np.ndarray = self.coverage > SOLID
        return result


def make_sprite(rng: np.random.Generator, shape: Shape, size: float, light: Light) -> Sprite:
    """Draw one object whose longer side is `size` pixels."""
    pen = Pen(max(round(OVERSIZE * size), MIN_CANVAS))
    shape.draw(pen, rng)
    flat = _turned(pen, _attitude(rng, shape), size)
    coverage = flat[..., 3] / np.float32(255)
    slope_x, slope_y = _slopes(coverage, size, min(shape.relief, MAX_RELIEF))
    facing = (light.z - slope_x * light.x - slope_y * light.y) / np.sqrt(1 + slope_x**2 + slope_y**2)
    shine = facing.clip(0, 1) ** SHININESS * np.float32(GLOSS if shape.relief > GLOSSY_RELIEF else SHEEN)
    shade = (0.52 + 0.62 * facing).clip(0.25, 1.3)
    rgb = flat[..., :3] * shade[..., None] + (shine * coverage)[..., None]
    return Sprite(rgb.clip(0, 255), coverage, size)


def _attitude(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    """How the object is turned, mirrored, stretched and slanted. (2, 2)"""
    stands = happens(rng, shape.upright_share)
    angle = rng.uniform(-0.5, 0.5) if stands else rng.uniform(0, TURN)
    stretch = math.exp(rng.uniform(-0.16, 0.16)) * (-1 if happens(rng, 0.5) else 1)
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    result: np.ndarray = turn @ np.array([[stretch, rng.uniform(-0.15, 0.15)], [0.0, 1.0]])
    return result


def _turned(pen: Pen, attitude: np.ndarray, size: float) -> np.ndarray:
    """The drawing, turned and scaled so that its longer side is `size`, on the smallest canvas.

    (H, W, 4) float32, premultiplied
    """
    rows, columns = np.nonzero(pen.coverage > 255 * SOLID)
    points = attitude @ np.stack([columns, rows])
    low, high = points.min(axis=1), points.max(axis=1)
    scale = size / (high - low).max()
    width, height = (np.ceil((high - low) * scale).astype(int) + 2 * MARGIN).tolist()
    shift = np.array([width - 1, height - 1]) / 2 - scale * (low + high) / 2
    matrix = np.hstack([attitude * scale, shift[:, None]])
    soft = cv2.GaussianBlur(
        pen.premultiplied(), (0, 0), max(0.35 / scale, 0.3)
    )  # what shrinking would turn into jagged edges
    return cv2.warpAffine(soft, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32)


def _slopes(coverage: np.ndarray, size: float, relief: float) -> tuple[np.ndarray, np.ndarray]:
    """Slopes along x and y of a surface that rises from the edge like a quarter circle. (H, W) each"""
    depth = max(1.0, BULGE * size)
    inward = cv2.distanceTransform((coverage > SOLID).astype(np.uint8), cv2.DIST_L2, 3) / depth
    surface = np.sqrt((1 - (1 - inward.clip(0, 1)) ** 2).clip(0, 1)) * np.float32(depth)
    surface = cv2.GaussianBlur(surface, (0, 0), max(0.6, 0.02 * size))
    strength = 0.45 * relief / 8  # a Sobel kernel sums to eight times the slope
    return cv2.Sobel(surface, cv2.CV_32F, 1, 0, scale=strength), cv2.Sobel(surface, cv2.CV_32F, 0, 1, scale=strength)
