# SPDX-License-Identifier: Apache-2.0
"""Things without a label: half transparent patches, spots, wires and bars between ground and objects."""

from __future__ import annotations

import math

import cv2
import numpy as np

from boxwright.data.drawn.chance import happens
from boxwright.data.drawn.colour import any_of, lay_over
from boxwright.data.drawn.curves import TURN, bezier, polar

MOST_PIECES = 4
SMALLEST, LARGEST = 0.03, 0.3  # of the side
SUBPIXEL_BITS = 3
WIRE_SIDE = 320  # wires are 1 to 5 pixels thick in a picture of this side


def scatter_clutter(rng: np.random.Generator, picture: np.ndarray) -> None:
    """Draw a few pieces, in place. (side, side, 3) float32"""
    side = picture.shape[0]
    favourite = any_of(rng, saturation=(0.05, 0.5), value=(0.2, 0.9))
    for _ in range(int(rng.integers(MOST_PIECES + 1))):
        rgb = favourite if happens(rng, 0.5) else any_of(rng, saturation=(0.1, 0.8), value=(0.2, 0.9))
        piece = PIECES[int(rng.integers(len(PIECES)))]
        size = side * math.exp(rng.uniform(math.log(SMALLEST), math.log(LARGEST)))
        lay_over(picture, piece(rng, side, size), rgb, strength=rng.uniform(0.35, 0.95))


def draw_patch(rng: np.random.Generator, side: int, size: float) -> np.ndarray:
    """A polygon of three to six corners on a circle. (side, side) uint8"""
    corners = np.sort(rng.uniform(0, TURN, int(rng.integers(3, 7))))
    return _filled(side, rng.uniform(0, side, 2) + polar(np.full(len(corners), size), corners))


def draw_spot(rng: np.random.Generator, side: int, size: float) -> np.ndarray:
    """An ellipse lying anyhow. (side, side) uint8"""
    mask = np.zeros((side, side), np.uint8)
    x, y = rng.integers(0, side, 2).tolist()
    axes = round(size) + 1, round(size * rng.uniform(0.15, 0.9)) + 1
    return cv2.ellipse(mask, (x, y), axes, rng.uniform(0, 180), 0, 360, 255, cv2.FILLED, cv2.LINE_AA)


def draw_wire(rng: np.random.Generator, side: int, _size: float) -> np.ndarray:
    """A curved line from anywhere to anywhere. (side, side) uint8"""
    mask = np.zeros((side, side), np.uint8)
    points = _fixed(bezier(rng.uniform(0, side, (4, 2))))
    thickness = max(1, round(int(rng.integers(1, 6)) * side / WIRE_SIDE))
    return cv2.polylines(
        mask, [points], isClosed=False, color=255, thickness=thickness, lineType=cv2.LINE_AA, shift=SUBPIXEL_BITS
    )


def draw_bar(rng: np.random.Generator, side: int, size: float) -> np.ndarray:
    """A rectangle lying anyhow. (side, side) uint8"""
    x, y = rng.uniform(0, side, 2).tolist()
    lengths = size * 1.6, size * rng.uniform(0.2, 0.8)
    return _filled(side, cv2.boxPoints(((x, y), lengths, rng.uniform(0, 180))))


def _filled(side: int, points: np.ndarray) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    return cv2.fillPoly(mask, [_fixed(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(points: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.round(points * 2**SUBPIXEL_BITS).astype(np.int32)
    return result


# The place is what the generator chooses by: part of every run's numbers, append only.
PIECES = (draw_patch, draw_spot, draw_wire, draw_bar)
