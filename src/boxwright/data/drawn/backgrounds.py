# SPDX-License-Identifier: Apache-2.0
"""The grounds that objects lie on: seven kinds of texture, each (side, side, 3) float32 RGB of 0..255."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from boxwright.data.drawn.chance import happens, smooth
from boxwright.data.drawn.colour import hsv, mix
from boxwright.data.drawn.curves import TURN

PEBBLE_GRID = 80  # distances are computed on a grid this fine and enlarged: they are smooth


@dataclass(frozen=True)
class Ground:
    """What all kinds share.

    The side in pixels, two related colours, and coordinates (side, side) along and across a chance direction.

    The picture spans 1, its middle is 0; so both coordinates lie within 0.71 of it.
    """

    side: int
    first: np.ndarray
    second: np.ndarray
    along: np.ndarray
    across: np.ndarray


def draw_background(rng: np.random.Generator, side: int) -> np.ndarray:
    """A ground of any kind. (side, side, 3) float32"""
    kind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    result: np.ndarray = kind(rng, make_ground(rng, side)).clip(0, 255)
    return result


def make_ground(rng: np.random.Generator, side: int) -> Ground:
    """Choose colours and direction."""
    hue, angle = rng.random(), rng.uniform(0, TURN)
    first = hsv(hue, rng.uniform(0.05, 0.6), rng.uniform(0.2, 0.85))
    second = hsv(hue + rng.uniform(-0.15, 0.15), rng.uniform(0.05, 0.6), rng.uniform(0.2, 0.85))
    step = np.arange(side, dtype=np.float32) / side - 0.5
    x, y = step[None, :], step[:, None]
    cos, sin = math.cos(angle), math.sin(angle)
    return Ground(side, first, second, x * cos + y * sin, y * cos - x * sin)


def draw_gradient(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """One colour runs into the other."""
    return mix(ground.along + 0.5 + 0.05 * smooth(rng, ground.side, cells=2, octaves=2), ground.first, ground.second)


def draw_clouds(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Patches of both colours, coarse to fine."""
    return mix(0.5 + 0.4 * smooth(rng, ground.side, cells=3, octaves=5), ground.first, ground.second)


def draw_grass(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Fine stretched noise, like grass or fur, upright or lying."""
    blades = smooth(rng, ground.side, cells=14, gain=0.8, stretch=rng.uniform(0.15, 0.4))
    share = 0.5 + 0.28 * blades + 0.15 * smooth(rng, ground.side, cells=4, octaves=2)
    return mix(share.T if happens(rng, 0.5) else share, ground.first * 0.7, ground.second)


def draw_boards(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Planks with grain, each of its own tone, with dark joints."""
    planks = int(rng.integers(4, 9))
    place = (ground.along + 0.75) / 1.5 * planks
    tone = rng.uniform(0.75, 1.1, planks + 1).astype(np.float32)[place.astype(int).clip(0, planks)]
    to_joint = np.minimum(place % 1, 1 - place % 1)
    grain = 0.06 * np.sin(60 * ground.along + 4 * smooth(rng, ground.side, cells=3, octaves=2)) + 0.06 * smooth(
        rng, ground.side, cells=10, octaves=2
    )
    result: np.ndarray = ((tone + grain) * (0.5 + to_joint * 14).clip(0.5, 1))[..., None] * ground.first.astype(
        np.float32
    )
    return result


def draw_tiles(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """A chequered floor with darker joints and some dirt."""
    per_unit, contrast = rng.uniform(3, 8), rng.uniform(0.25, 0.9)
    along, across = (ground.along + 1) * np.float32(per_unit), (ground.across + 1) * np.float32(per_unit)
    chequer = (np.floor(along) + np.floor(across)) % 2
    from_middle = np.maximum(np.abs(along % 1 - 0.5), np.abs(across % 1 - 0.5))
    joint = 1 - 0.3 * ((from_middle - 0.46) / 0.02).clip(0, 1)
    dirt = 14 * smooth(rng, ground.side, cells=6)
    result: np.ndarray = mix(chequer * contrast, ground.first, ground.second) * joint[..., None] + dirt[..., None]
    return result


def draw_cloth(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """A fine weave with folds."""
    threads = TURN * rng.uniform(18, 45)
    weave = np.sin(threads * ground.along) * np.sign(np.sin(threads * ground.across))
    folds = 0.2 * smooth(rng, ground.side, cells=3)
    return mix(0.5 + 0.25 * weave + folds, ground.first * 0.8, 0.5 * ground.first + 0.5 * ground.second)


def draw_pebbles(rng: np.random.Generator, ground: Ground) -> np.ndarray:
    """Cells around chance points, dark where the nearest two are equally far."""
    centres = rng.random((int(rng.integers(40, 160)), 2), np.float32)
    step = np.arange(PEBBLE_GRID, dtype=np.float32) / PEBBLE_GRID
    squared = (step[None, :, None] - centres[:, 0]) ** 2 + (step[:, None, None] - centres[:, 1]) ** 2
    nearest_two = np.sqrt(np.partition(squared, 1, axis=-1)[..., :2])
    gap = cv2.resize(
        nearest_two[..., 1] - nearest_two[..., 0], (ground.side, ground.side), interpolation=cv2.INTER_CUBIC
    )
    height = (0.35 + 1.6 * math.sqrt(len(centres)) * gap).clip(0.35, 1)
    result: np.ndarray = (
        mix(0.5 + 0.3 * smooth(rng, ground.side, cells=8, octaves=2), ground.first, ground.second) * height[..., None]
    )
    return result


# The place is what the generator chooses by: part of every run's numbers, append only.
BACKGROUNDS = (draw_gradient, draw_clouds, draw_grass, draw_boards, draw_tiles, draw_cloth, draw_pebbles)
