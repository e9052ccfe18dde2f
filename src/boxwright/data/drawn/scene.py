# SPDX-License-Identifier: Apache-2.0
"""The law of a picture: how many objects of what size lie where. Sizes are in pixels of a picture of side `side`."""

from __future__ import annotations

import math

import numpy as np

from boxwright.data.drawn.backgrounds import draw_background
from boxwright.data.drawn.catalogue import SHAPES
from boxwright.data.drawn.chance import happens
from boxwright.data.drawn.clutter import scatter_clutter
from boxwright.data.drawn.curves import TURN
from boxwright.data.drawn.light import Light
from boxwright.data.drawn.sprite import Sprite, make_sprite
from boxwright.data.drawn.stage import Stage

EMPTY_SHARE = 0.08  # of the pictures show no object
MOST_OBJECTS = 9
SMALLEST, LARGEST = 12 / 320, 0.6  # of the side
SORTED_SHARE = 0.7  # of the pictures have small objects on large ones; in the others anything covers anything
LEANING_SHARE = 0.35  # of the tries stand at or on an earlier object
HANGING_SHARE = 0.25  # of the others may hang over the edge, by as much of the object
TRIES = 12  # to find a place; an object that finds none is left out


def draw_scene(rng: np.random.Generator, side: int) -> Stage:
    """Ground, clutter, and objects on it."""
    picture = draw_background(rng, side)
    scatter_clutter(rng, picture)
    stage = Stage(picture, Light.from_anywhere(rng))
    for size in choose_sizes(rng, choose_number(rng)) * side:
        class_number = int(rng.integers(len(SHAPES)))
        sprite = make_sprite(rng, SHAPES[class_number], float(size), stage.light)
        place_somewhere(rng, stage, sprite, class_number)
    return stage


def choose_number(rng: np.random.Generator) -> int:
    """How many objects a picture gets: none, or one to nine, more rarely many."""
    if happens(rng, EMPTY_SHARE):
        return 0
    return min(MOST_OBJECTS, int(rng.geometric(0.24)) + int(rng.integers(3)))


def choose_sizes(rng: np.random.Generator, number: int) -> np.ndarray:
    """Longer sides as shares of the picture's, spread over all octaves, in the order in which they are laid.

    (number,)
    """
    low, high = math.log(SMALLEST), math.log(LARGEST)
    sizes = np.exp(low + (high - low) * rng.beta(1.7, 1.5, number))
    result: np.ndarray = np.sort(sizes)[::-1] if happens(rng, SORTED_SHARE) else sizes
    return result


def place_somewhere(rng: np.random.Generator, stage: Stage, sprite: Sprite, class_number: int) -> bool:
    """Try a few places; False when the object fits nowhere."""
    return any(stage.lay(sprite, class_number, _choose_corner(rng, stage, sprite)) for _ in range(TRIES))


def _choose_corner(rng: np.random.Generator, stage: Stage, sprite: Sprite) -> tuple[int, int]:
    """Where to lay the sprite's upper left corner: beside another object, or anywhere."""
    height, width = sprite.hw
    if stage.standing and happens(rng, LEANING_SHARE):
        other = stage.standing[int(rng.integers(len(stage.standing)))]
        angle, distance = rng.uniform(0, TURN), 0.45 * (other.reach + max(width, height)) * rng.uniform(0.7, 1.0)
        x = other.centre_xy[0] + distance * math.cos(angle) - width / 2
        y = other.centre_xy[1] + distance * math.sin(angle) - height / 2
        return int(x), int(y)
    over = HANGING_SHARE if happens(rng, HANGING_SHARE) else 0.0
    return int(rng.uniform(-over * width, stage.side - width + over * width)), int(
        rng.uniform(-over * height, stage.side - height + over * height)
    )
