# SPDX-License-Identifier: Apache-2.0
"""The four grown things: starfish, leaf, fish, mushroom.

Each is drawn with a pen in -1..1, with its own chances of form and colour.
"""

from __future__ import annotations

import math

import numpy as np

from boxwright.data.drawn.colour import BLACK, WHITE, hsv, typical_pair
from boxwright.data.drawn.curves import TURN, arc, around, between, polar, rectangle
from boxwright.data.drawn.pen import Pen

CREAM = np.array([250.0, 235.0, 215.0])  # spots of the starfish
BELLY = np.array([245.0, 245.0, 240.0])
SAP = np.array([190.0, 200.0, 120.0])  # veins of the leaf

STARFISH_BUMPS = ((0.2, 0.065), (0.36, 0.056), (0.52, 0.047), (0.67, 0.038), (0.8, 0.029))  # place along an arm, radius
MUSHROOM_SPOTS = (
    (-0.55, -0.2, 0.14),
    (-0.12, -0.5, 0.17),
    (0.3, -0.22, 0.13),
    (0.6, -0.12, 0.1),
    (-0.2, -0.12, 0.1),
    (0.35, -0.6, 0.11),
)


def draw_starfish(pen: Pen, rng: np.random.Generator) -> None:
    """Five arms, a little bent, with a row of bumps on each."""
    main, _ = typical_pair(rng, hue=0.04, spread=0.16, saturation=(0.55, 0.95), value=(0.6, 0.98))
    sharpness = rng.uniform(1.5, 2.6)
    lean, twist = 0.12 * rng.uniform(-1, 1), 0.1 * rng.uniform(-1, 1)
    angle = around(240)
    radius = 0.3 + 0.7 * np.abs(np.cos(2.5 * angle)) ** sharpness
    pen.outline(polar(radius, angle + lean * np.sin(angle) + twist * radius), main)
    bump = 0.45 * main + 0.55 * CREAM
    for arm in around(5):
        bend = lean * math.sin(arm) + twist
        for place, size in STARFISH_BUMPS:
            direction = arm + bend * place
            pen.dot((place * math.cos(direction), place * math.sin(direction)), size, bump)
    pen.dot((0.0, 0.0), 0.09, bump)


def draw_leaf(pen: Pen, rng: np.random.Generator) -> None:
    """A bent, sometimes toothed blade with veins and a stalk; one half lies in the shade."""
    main, _ = typical_pair(rng, hue=0.28, spread=0.22, saturation=(0.45, 0.95), value=(0.35, 0.8), odd=0.25)
    points = 80
    along = np.linspace(0.0, 1.0, points)
    x = -0.78 + 1.78 * along
    teeth = rng.uniform(0, 0.09) * (np.arange(points) % 5) / 5.0
    half_width = rng.uniform(0.34, 0.58) * np.sin(math.pi * along**0.8).clip(0) ** 0.9 * (1 - teeth)
    bend = rng.uniform(-0.25, 0.25)
    middle = bend * np.sin(math.pi * along)
    blade = between(x, middle - half_width, middle + half_width)
    pen.outline(blade, main)
    pen.detail_within(blade, between(x, middle, middle + half_width), main * 0.75, strength=0.5)
    vein = 0.5 * main + 0.5 * SAP
    for number in range(1, 8):
        begin = int(points * (0.08 + 0.105 * number))
        end = min(points - 1, begin + 11)
        for side in (-0.82, 0.82):
            pen.line(np.array([(x[begin], middle[begin]), (x[end], middle[end] + side * half_width[end])]), vein, 0.025)
    pen.line(np.stack([x, middle], axis=1), vein, 0.05)
    pen.stalk(np.array([(-0.96, -0.5 * bend), (-0.87, -0.2 * bend), (-0.76, 0.0)]), main * 0.6, 0.08)


def draw_fish(pen: Pen, rng: np.random.Generator) -> None:
    """Tail, two fins, a pale belly, stripes, gill and eye."""
    main, accent = typical_pair(rng, hue=0.55, spread=0.3, saturation=(0.4, 0.95), odd=0.45)
    height, bend = rng.uniform(0.36, 0.52), rng.uniform(-0.12, 0.12)
    pen.outline(np.array([(-0.5, 0.0), (-0.95, -0.42 + bend), (-0.82, bend), (-0.95, 0.42 + bend)]), accent * 0.9)
    pen.outline(np.array([(-0.2, -height * 0.8), (0.1, -height - 0.26), (0.36, -height * 0.78)]), accent * 0.9)
    pen.outline(np.array([(-0.1, height * 0.8), (-0.1, height + 0.2), (0.22, height * 0.85)]), accent * 0.9)
    body = arc((0.78, height), centre_xy=(0.2, 0.0))
    pen.outline(body, main)
    pen.detail_within(body, rectangle(-0.7, height * 0.25, 1.1, 1.0), 0.5 * main + 0.5 * BELLY)
    for number in range(int(rng.integers(2, 5))):
        x = -0.35 + 0.24 * number
        pen.detail_within(body, np.array([(x, -1), (x + 0.1, -1), (x + 0.04, 1), (x - 0.06, 1)]), accent * 0.8)
    pen.line(arc((0.2, height * 0.8), centre_xy=(0.42, 0.0), angles=(1.2, -1.2), points=16), main * 0.55, 0.04)
    pen.dot((0.72, -height * 0.22), 0.105, WHITE * 0.98)
    pen.dot((0.74, -height * 0.22), 0.06, BLACK + 15)


def draw_mushroom(pen: Pen, rng: np.random.Generator) -> None:
    """A furrowed stem under a cap with pale spots."""
    main, _ = typical_pair(rng, hue=0.0, spread=0.12, odd=0.35)
    stem = hsv(rng.uniform(0.08, 0.14), rng.uniform(0.05, 0.3), rng.uniform(0.7, 0.95))
    half, height = rng.uniform(0.2, 0.34), rng.uniform(0.75, 1.05)
    pen.outline(
        np.array(
            [
                (-half * 0.8, -0.2),
                (half * 0.8, -0.2),
                (half, 0.55),
                (half * 1.25, 0.93),
                (-half * 1.25, 0.93),
                (-half, 0.55),
            ]
        ),
        stem,
    )
    for x in (-0.5 * half, 0.0, 0.5 * half):
        pen.line(np.array([(x, 0.1), (x * 1.3, 0.85)]), stem * 0.8, 0.03)
    pen.outline(_cap(height, brim=0.2, low=0.08), main)
    pen.detail(arc((0.93, 0.2), centre_xy=(0.0, 0.08)), stem * 0.72)  # what is seen of the underside
    top = _cap(height, brim=0.1, low=0.06)
    pen.detail(top, main)
    pale = hsv(0.12, 0.08, 0.97)
    for x, y, radius in MUSHROOM_SPOTS:
        (dx, dy), grown = rng.uniform(-0.06, 0.06, 2), radius * rng.uniform(0.7, 1.15)
        pen.detail_within(top, arc((grown, grown), centre_xy=(x + dx, (y + dy) * height), points=24), pale)


def _cap(height: float, brim: float, low: float) -> np.ndarray:
    """The upper half of one ellipse on the lower half of a flatter one. (60, 2)"""
    dome = arc((0.95, height), (0.0, low), (math.pi, TURN), points=40)
    return np.concatenate([dome, arc((0.95, brim), (0.0, low), (0.0, math.pi), points=20)])
