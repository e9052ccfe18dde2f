# SPDX-License-Identifier: Apache-2.0
"""The pen that draws one object.

A square canvas with a colour and a coverage, in coordinates where the object spans -1..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from boxwright.data.drawn.colour import drawable, lay_over

SUBPIXEL_BITS = 5
FREE = 4  # pixels between the object and the edge of its canvas: smoothed edges stand out by up to three


class Pen:
    """Draws outlines, which make the object larger, and details, which only colour what is there.

    `colour` (side, side, 3) uint8 RGB and `coverage` (side, side) uint8; the colour counts where the coverage does.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.unit = side / 2 - FREE
        self.colour = np.zeros((side, side, 3), np.uint8)
        self.coverage = np.zeros((side, side), np.uint8)

    def outline(self, points: np.ndarray, rgb: np.ndarray) -> None:
        """Fill a polygon that belongs to the object. (K, 2), (3,)"""
        if not self.coverage.any():
            self.colour[:] = drawable(rgb)  # so that the edge fades into its own colour, not into black
        self.detail(points, rgb)
        cv2.fillPoly(self.coverage, [self._fixed(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)

    def stalk(self, points: np.ndarray, rgb: np.ndarray, width: float) -> None:
        """Draw a line that belongs to the object. (K, 2), (3,)"""
        self.line(points, rgb, width)
        cv2.polylines(
            self.coverage,
            [self._fixed(points)],
            isClosed=False,
            color=255,
            thickness=self._thick(width),
            lineType=cv2.LINE_AA,
            shift=SUBPIXEL_BITS,
        )

    def hole(self, points: np.ndarray) -> None:
        """Take a polygon out of the object. (K, 2)"""
        cv2.fillPoly(self.coverage, [self._fixed(points)], 0, cv2.LINE_AA, SUBPIXEL_BITS)

    def detail(self, points: np.ndarray, rgb: np.ndarray) -> None:
        """Fill a polygon. (K, 2), (3,)"""
        cv2.fillPoly(self.colour, [self._fixed(points)], drawable(rgb), cv2.LINE_AA, SUBPIXEL_BITS)

    def detail_within(self, bounds: np.ndarray, points: np.ndarray, rgb: np.ndarray, strength: float = 1.0) -> None:
        """Fill a polygon as far as it lies in another. (K, 2), (J, 2), (3,)"""
        lay_over(self.colour, cv2.min(self._mask(bounds), self._mask(points)), rgb, strength)

    def line(self, points: np.ndarray, rgb: np.ndarray, width: float) -> None:
        """Draw a line. (K, 2), (3,)"""
        cv2.polylines(
            self.colour,
            [self._fixed(points)],
            isClosed=False,
            color=drawable(rgb),
            thickness=self._thick(width),
            lineType=cv2.LINE_AA,
            shift=SUBPIXEL_BITS,
        )

    def dot(self, centre_xy: tuple[float, float], radius: float, rgb: np.ndarray) -> None:
        """Fill a circle. (3,)"""
        x, y = self._fixed(np.array([centre_xy]))[0].tolist()
        fixed_radius = max(1, round(radius * self.unit * 2**SUBPIXEL_BITS))
        cv2.circle(self.colour, (x, y), fixed_radius, drawable(rgb), cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)

    def premultiplied(self) -> np.ndarray:
        """Colour times coverage, and coverage: what may be scaled and turned without a fringe. (side, side, 4) uint8"""
        colour = cv2.multiply(self.colour, cv2.merge([self.coverage] * 3), scale=1 / 255)
        return cv2.merge([*cv2.split(colour), self.coverage])

    def _fixed(self, points: np.ndarray) -> np.ndarray:
        pixels = points * self.unit + (self.side - 1) / 2
        result: np.ndarray = np.round(pixels * 2**SUBPIXEL_BITS).astype(np.int32)
        return result

    def _thick(self, width: float) -> int:
        return max(1, round(width * self.unit))

    def _mask(self, points: np.ndarray) -> np.ndarray:
        mask = np.zeros((self.side, self.side), np.uint8)
        cv2.fillPoly(mask, [self._fixed(points)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
        return mask
