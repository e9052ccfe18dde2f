# SPDX-License-Identifier: Apache-2.0
"""The stage: a ground on which sprites are laid, and which knows for every pixel whose it is.

Labels are read off, not computed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from boxwright.data.drawn.light import Light
from boxwright.data.drawn.sprite import Sprite

NOBODY = -1
MIN_INSIDE_PX = 8  # of a sprite's canvas each way
MIN_INSIDE_SHARE = 0.6  # of an object's area has to lie in the picture when it is laid down
MIN_VISIBLE_SHARE = 0.5  # of it has to stay visible when others are laid over it

SHADOW_DISTANCE = 0.09  # of the object's size, for a light level with the ground
SHADOW_STRENGTH = 0.45


@dataclass(frozen=True)
class Standing:
    """An object on the stage.

    Class number, area of all of it in pixels, where the middle of its canvas is, how far that reaches.
    """

    class_number: int
    area: int
    centre_xy: tuple[float, float]
    reach: int


class Stage:
    """`picture` (side, side, 3) float32 RGB is painted in place.

    `owner` (side, side) holds the number of the object seen there.
    """

    def __init__(self, picture: np.ndarray, light: Light) -> None:
        self.picture = picture
        self.light = light
        self.side = picture.shape[0]
        self.owner = np.full(picture.shape[:2], NOBODY, np.int32)
        self.standing: list[Standing] = []
        self.visible: list[int] = []  # pixels of each that can be seen

    def lay(self, sprite: Sprite, class_number: int, corner_xy: tuple[int, int]) -> bool:
        """Lay a sprite down with its canvas at this corner, unless too little of it or.

        Of another object would be seen.
        """
        here, part = _overlap(self.side, sprite.hw, corner_xy)
        solid = sprite.solid
        area, seen = max(1, int(solid.sum())), solid[part]
        if min(seen.shape) < MIN_INSIDE_PX or seen.sum() < MIN_INSIDE_SHARE * area:
            return False
        left = self._left_to_others(here, seen)
        if any(pixels < MIN_VISIBLE_SHARE * other.area for pixels, other in zip(left, self.standing, strict=True)):
            return False
        self._darken(sprite, corner_xy)
        self.picture[here] = self.picture[here] * (1 - sprite.coverage[part][..., None]) + sprite.rgb[part]
        self.owner[here][seen] = len(self.standing)
        (height, width), (x, y) = sprite.hw, corner_xy
        self.standing.append(Standing(class_number, area, (x + width / 2, y + height / 2), max(width, height)))
        self.visible = [*left, int(seen.sum())]
        return True

    def rows(self) -> np.ndarray:
        """Class and box of what is seen of each object: cx, cy, w, h as shares of the side. (N, 5) float64"""
        rows = np.zeros((len(self.standing), 5))
        for number, standing in enumerate(self.standing):
            x, y, width, height = cv2.boundingRect((self.owner == number).astype(np.uint8))
            box = np.array([x + width / 2, y + height / 2, width, height]) / self.side
            rows[number] = standing.class_number, *box
        return rows

    def _left_to_others(self, here: tuple[slice, slice], seen: np.ndarray) -> list[int]:
        """Pixels that each object keeps when these are taken."""
        taken = np.bincount(self.owner[here][seen] + 1, minlength=len(self.visible) + 1)[
            1:
        ]  # the first counts nobody's
        return [pixels - int(lost) for pixels, lost in zip(self.visible, taken, strict=True)]

    def _darken(self, sprite: Sprite, corner_xy: tuple[int, int]) -> None:
        """The shadow falls away from the light, larger objects stand higher and throw softer ones."""
        softness, distance = 1.0 + 0.04 * sprite.size, max(1.3, SHADOW_DISTANCE * sprite.size)
        margin = math.ceil(3 * softness + distance)
        (height, width), (x, y) = sprite.hw, corner_xy
        shift = np.array([[1, 0, margin - distance * self.light.x], [0, 1, margin - distance * self.light.y]])
        shadow = cv2.warpAffine(sprite.coverage, shift, (width + 2 * margin, height + 2 * margin))
        shadow = cv2.GaussianBlur(shadow, (0, 0), softness)
        here, part = _overlap(self.side, (shadow.shape[0], shadow.shape[1]), (x - margin, y - margin))
        self.picture[here] *= 1 - SHADOW_STRENGTH * shadow[part][..., None]


def _overlap(
    side: int, hw: tuple[int, int], corner_xy: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a canvas with this corner lies in the picture, and which part of the canvas that is."""
    (height, width), (x, y) = hw, corner_xy
    top, bottom = min(max(y, 0), side), max(min(y + height, side), 0)
    left, right = min(max(x, 0), side), max(min(x + width, side), 0)
    return np.s_[top:bottom, left:right], np.s_[top - y : bottom - y, left - x : right - x]
