# SPDX-License-Identifier: Apache-2.0
"""The random affine and perspective map, decided elsewhere, as one 3x3 matrix, and what it does to boxes and polygons.

A map takes homogeneous column vectors (x, y, 1) in input pixels to output pixels. N counts boxes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from boxwright.geometry import polygons
from boxwright.geometry.boxes import clip_xyxy, survives

MIN_AREA_RATIO_BOXES = 0.1
MIN_AREA_RATIO_POLYGONS = 0.01  # the outline is exact, so less of an object is enough
POLYGON_POINTS = 1000


@dataclass(frozen=True)
class Warp:
    """The eight numbers of one map.

    Angles in degrees, translation as the place of the centre in the output (0.5 = middle).
    """

    perspective_xy: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    scale: float = 1.0
    shear_xy: tuple[float, float] = (0.0, 0.0)
    translate_xy: tuple[float, float] = (0.5, 0.5)

    def matrix(self, input_hw: tuple[int, int], output_hw: tuple[int, int]) -> np.ndarray:
        """Centre, then perspective, rotation with scale, shear, translation. (3, 3) float64, not to be written to"""
        return _matrix(self, input_hw, output_hw)


@lru_cache(maxsize=64)  # pixels and labels of a sample ask for the same one, and some threads draw at a time
def _matrix(warp: Warp, input_hw: tuple[int, int], output_hw: tuple[int, int]) -> np.ndarray:
    centre = np.eye(3)
    centre[0, 2], centre[1, 2] = -input_hw[1] / 2, -input_hw[0] / 2
    perspective = np.eye(3)
    perspective[2, :2] = warp.perspective_xy
    cos, sin = (warp.scale * f(math.radians(warp.angle)) for f in (math.cos, math.sin))
    rotation = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    shear = np.eye(3)
    shear[0, 1], shear[1, 0] = (math.tan(math.radians(angle)) for angle in warp.shear_xy)
    translation = np.eye(3)
    translation[0, 2], translation[1, 2] = warp.translate_xy[0] * output_hw[1], warp.translate_xy[1] * output_hw[0]
    result: np.ndarray = translation @ shear @ rotation @ perspective @ centre
    result.flags.writeable = False
    return result


def transformed_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Points through a map. (..., 2) -> (..., 2)"""
    transformed = points @ matrix[:, :2].T + matrix[:, 2]
    result: np.ndarray = transformed[..., :2] / transformed[..., 2:]
    return result


def transformed_boxes(
    boxes_xyxy_px: np.ndarray, matrix: np.ndarray, output_hw: tuple[int, int], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around the transformed corners, clipped to the output, and which are worth keeping. (N, 4), (N,) bool"""
    clipped = around_transformed(boxes_xyxy_px, matrix, output_hw)
    return clipped, survives(boxes_xyxy_px * scale, clipped, MIN_AREA_RATIO_BOXES)


def around_transformed(boxes_xyxy_px: np.ndarray, matrix: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
    """Boxes around the transformed corners, clipped to the output. (N, 4)"""
    corners = boxes_xyxy_px[:, [0, 1, 2, 3, 0, 3, 2, 1]].reshape(-1, 4, 2)
    points = transformed_points(corners.astype(np.float64), matrix)
    return clip_xyxy(np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1), output_hw)


def transformed_polygons(
    outlines_px: list[np.ndarray], matrix: np.ndarray, output_hw: tuple[int, int], scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes around what of the transformed outlines lies in the output, and which to keep. (N, 4), (N,) bool"""
    before = np.stack([polygons.box_xyxy(outline) for outline in outlines_px])
    after = np.stack(
        [
            polygons.visible_box_xyxy(
                transformed_points(polygons.resampled(outline, POLYGON_POINTS), matrix), output_hw
            )
            for outline in outlines_px
        ]
    )
    return after, survives(before * scale, after, MIN_AREA_RATIO_POLYGONS)
