# SPDX-License-Identifier: Apache-2.0
"""The four made things: ball, crate, donut, gear.

Each is drawn with a pen in -1..1, with its own chances of form and colour.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from boxwright.data.drawn.chance import happens
from boxwright.data.drawn.colour import WHITE, hsv, typical_pair
from boxwright.data.drawn.curves import TURN, arc, around, disc, polar, rectangle
from boxwright.data.drawn.pen import Pen


def draw_ball(pen: Pen, rng: np.random.Generator) -> None:
    """A beach ball: sectors from a pole that need not stand in the middle."""
    main, accent = typical_pair(rng, hue=0.0, spread=1.0)
    white = WHITE * rng.uniform(0.85, 1.0)
    sectors = 2 * int(rng.integers(3, 5))
    pole = rng.uniform(-0.35, 0.35, 2)
    turned = rng.uniform(0, TURN)
    pen.outline(disc(1.0), main)
    for number in range(sectors // 2):  # the sectors between are left in the main colour
        begin = turned + 2 * number * TURN / sectors
        edge = arc((1.2, 1.2), angles=(begin, begin + TURN / sectors), points=12)
        pen.detail(np.vstack([pole, edge]), white if number % 2 else accent)
    pen.dot((pole[0], pole[1]), 0.16, white)


def draw_donut(pen: Pen, rng: np.random.Generator) -> None:
    """Dough with a wavy icing and sprinkles."""
    dough = hsv(rng.uniform(0.06, 0.11), rng.uniform(0.45, 0.7), rng.uniform(0.55, 0.85))
    icing, _ = typical_pair(rng, hue=0.93, spread=0.14, saturation=(0.3, 0.8), value=(0.55, 1.0), odd=0.5)
    hole = rng.uniform(0.28, 0.4)
    angle, phases, waves = around(120), rng.uniform(0, TURN, 2), int(rng.integers(5, 9))
    rim = 0.84 + 0.05 * np.sin(waves * angle + phases[0]) + 0.03 * np.sin((waves + 3) * angle + phases[1])
    pen.outline(disc(1.0), dough)
    pen.detail(polar(rim, angle), icing)
    pen.detail(disc(hole + 0.09), dough)
    for _ in range(int(rng.integers(14, 30))):
        distance, place, lie = rng.uniform(hole + 0.17, 0.74), rng.uniform(0, TURN), rng.uniform(0, TURN)
        ends = polar(np.array([-0.055, 0.055]), np.array([lie, lie]))
        sprinkle = hsv(rng.random(), 0.7, 1.0) if happens(rng, 0.8) else WHITE
        pen.line(ends + polar(np.array([distance]), np.array([place])), sprinkle, 0.05)
    pen.hole(disc(hole))


def draw_gear(pen: Pen, rng: np.random.Generator) -> None:
    """Teeth, a sunken plate with spokes, and an axle hole. Steel or brass."""
    if happens(rng, 0.6):
        metal = hsv(rng.uniform(0.5, 0.7), rng.uniform(0.0, 0.18), rng.uniform(0.4, 0.8))
    else:
        metal = hsv(rng.uniform(0.05, 0.15), rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.85))
    teeth, depth, hole = int(rng.integers(7, 13)), rng.uniform(0.16, 0.26), rng.uniform(0.16, 0.26)
    angle = around(teeth * 24)
    flanks = (3.0 * np.cos(teeth * angle)).clip(-1, 1)  # a wave cut off above and below
    pen.outline(polar(1.0 - depth * (0.5 - 0.5 * flanks), angle), metal)
    pen.detail(disc(0.66), metal * 0.72)
    spokes = int(rng.integers(3, 7))
    for direction in around(spokes):
        pen.line(polar(np.array([0.0, 0.7]), np.array([direction, direction])), metal * 1.05, 0.16)
    pen.detail(disc(hole + 0.14), metal * 1.1)
    pen.hole(disc(hole))


def draw_crate(pen: Pen, rng: np.random.Generator) -> None:
    """Boards with grain, a brace from corner to corner, a nailed frame."""
    wood, _ = typical_pair(rng, hue=0.09, spread=0.06, saturation=(0.35, 0.7), value=(0.45, 0.85), odd=0.25)
    height = rng.uniform(0.62, 1.0)
    pen.outline(rectangle(-1, -height, 1, height), wood * 0.8)
    _draw_boards(pen, rng, wood, height)
    frame_wood = wood * rng.uniform(0.85, 1.2)
    _draw_brace(pen, frame_wood, wood * 0.45, height, side=1 if happens(rng, 0.5) else -1)
    _draw_frame(pen, frame_wood, wood, height)


def _draw_boards(pen: Pen, rng: np.random.Generator, wood: np.ndarray, height: float) -> None:
    edges = np.linspace(-height, height, int(rng.integers(3, 6)) + 1)
    for top, bottom in pairwise(edges):
        pen.detail(rectangle(-1, top + 0.02, 1, bottom - 0.02), wood * rng.uniform(0.8, 1.12))
        for _ in range(2):
            x, y = rng.uniform(-1, 0.4), rng.uniform(top + 0.04, bottom - 0.04)
            pen.line(np.array([(x, y), (x + rng.uniform(0.2, 0.7), y + rng.uniform(-0.02, 0.02))]), wood * 0.68, 0.02)
    for y in edges[1:-1]:
        pen.line(np.array([(-1, y), (1, y)]), wood * 0.4, 0.045)


def _draw_brace(pen: Pen, wood: np.ndarray, seam: np.ndarray, height: float, side: int) -> None:
    corners = np.array([(-1, -height), (-0.78, -height), (1, height), (0.78, height)]) * [side, 1]
    pen.detail(corners, wood * 0.95)
    pen.line(corners[[1, 2]], seam, 0.03)
    pen.line(corners[[0, 3]], seam, 0.03)


def _draw_frame(pen: Pen, frame_wood: np.ndarray, wood: np.ndarray, height: float, width: float = 0.17) -> None:
    for side in (-1, 1):
        inner = side * (1 - width)
        pen.detail(rectangle(min(side, inner), -height, max(side, inner), height), frame_wood)
        pen.line(np.array([(inner, -height), (inner, height)]), wood * 0.45, 0.03)
    for side in (-1, 1):
        outer, inner = side * height, side * (height - width)
        pen.detail(rectangle(-1, min(outer, inner), 1, max(outer, inner)), frame_wood * 1.05)
        pen.line(np.array([(-1, inner), (1, inner)]), wood * 0.45, 0.03)
    for x in (-1 + width / 2, 1 - width / 2):
        for y in (-height + width / 2, height - width / 2):
            pen.dot((x, y), 0.04, wood * 0.3)
