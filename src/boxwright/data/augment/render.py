# SPDX-License-Identifier: Apache-2.0
"""A plan applied to pixels: by the compiled kernel in one pass, else by OpenCV.

OpenCV's way is one warp per tile straight into its part of the output where the map keeps axes, else a warp of a
canvas.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.augment.flips import flipped_pixels
from boxwright.data.augment.hsv import with_gains
from boxwright.data.augment.mixup import blended
from boxwright.data.augment.plan import Plan, Scene, Tile
from boxwright.data.pixels.image_files import resized
from boxwright.geometry.letterbox import GREY
from boxwright.native.binary import kernels
from boxwright.native.render import Look, Painting, draw

if TYPE_CHECKING:
    from collections.abc import Callable

STRAIGHT = 1e-15  # perspective of less is rounding of the inverse
Loaded = "Callable[[int], np.ndarray]"  # image number -> pixels of the loaded size, BGR


def render(plan: Plan, load: Callable[[int], np.ndarray], out: np.ndarray) -> None:
    """Draw a sample. `load` gives an image in its loaded size, BGR; `out` (3, H, W) uint8 receives RGB."""
    if kernels() is not None:
        look = Look(GREY, plan.share, plan.gains_hsv, plan.flip_up_down, plan.flip_left_right)
        draw([painting(scene, load) for scene in plan.scenes], look, out)
    else:
        render_portably(plan, load, out)


def painting(scene: Scene, load: Callable[[int], np.ndarray]) -> Painting:
    """A scene as the kernel wants it, with the pixels of the tiles that can show."""
    inverse = np.linalg.inv(scene.warp.matrix(scene.canvas_hw, scene.output_hw))
    if np.abs(inverse[2, :2]).max() < STRAIGHT:
        inverse[2] = 0.0, 0.0, 1.0
    low, high = _seen(inverse, scene.output_hw)
    tiles = []
    for tile in scene.tiles:
        x1, y1, x2, y2 = tile.window_xyxy
        if x2 > x1 and y2 > y1 and low[0] <= x2 and high[0] >= x1 and low[1] <= y2 and high[1] >= y1:
            offset = round(tile.offset_xy[0]), round(tile.offset_xy[1])
            tiles.append((_at_canvas_size(tile, load(tile.image)), offset, tile.window_xyxy))
    return Painting(tiles, inverse)


def _seen(inverse: np.ndarray, output_hw: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The corners of a box on the canvas outside which nothing shows."""
    height, width = output_hw
    points = np.array([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]], np.float64) @ inverse.T
    if points[:, 2].min() <= 0:  # the horizon is in the picture
        return np.full(2, -np.inf), np.full(2, np.inf)
    corners = points[:, :2] / points[:, 2:]
    return corners.min(axis=0) - 1, corners.max(axis=0) + 1


def render_portably(plan: Plan, load: Callable[[int], np.ndarray], out: np.ndarray) -> None:
    """The same by OpenCV."""
    image = _scene(plan.scenes[0], load)
    if len(plan.scenes) > 1:
        image = blended(image, _scene(plan.scenes[1], load), plan.share)
    image = flipped_pixels(with_gains(image, plan.gains_hsv), plan)
    out[:] = image[..., ::-1].transpose(2, 0, 1)


def _scene(scene: Scene, load: Callable[[int], np.ndarray]) -> np.ndarray:
    """The output of one scene. (H, W, 3) uint8 BGR"""
    matrix = scene.warp.matrix(scene.canvas_hw, scene.output_hw)
    if _is_still(matrix) and scene.canvas_hw == scene.output_hw:
        return _canvas(scene, load)
    if _keeps_axes(matrix):
        return _by_windows(scene, matrix, load)
    canvas = _canvas(scene, load)
    size = scene.output_hw[::-1]
    if np.any(matrix[2, :2]):
        warped: np.ndarray = cv2.warpPerspective(canvas, matrix, size, borderValue=(GREY,) * 3)
        return warped
    turned: np.ndarray = cv2.warpAffine(canvas, matrix[:2], size, borderValue=(GREY,) * 3)
    return turned


def _is_still(matrix: np.ndarray) -> bool:
    return bool(np.abs(matrix - np.eye(3)).max() < 1e-12)  # noqa: PLR2004 -- rounding of the product


def _keeps_axes(matrix: np.ndarray) -> bool:
    """Whether the map only scales and moves."""
    return not (matrix[0, 1] or matrix[1, 0] or matrix[2, 0] or matrix[2, 1])


def _blank(size_hw: tuple[int, int]) -> np.ndarray:
    return np.full((*size_hw, 3), GREY, np.uint8)


def _canvas(scene: Scene, load: Callable[[int], np.ndarray]) -> np.ndarray:
    """The tiles, pasted. (H, W, 3) uint8"""
    canvas = _blank(scene.canvas_hw)
    for tile in scene.tiles:
        x1, y1, x2, y2 = tile.window_xyxy
        pixels = _at_canvas_size(tile, load(tile.image))
        left, top = x1 - round(tile.offset_xy[0]), y1 - round(tile.offset_xy[1])
        canvas[y1:y2, x1:x2] = pixels[top : top + y2 - y1, left : left + x2 - x1]
    return canvas


def _at_canvas_size(tile: Tile, pixels: np.ndarray) -> np.ndarray:
    height, width = (round(side * gain) for side, gain in zip(tile.loaded_hw, tile.gain_xy[::-1], strict=True))
    return resized(pixels, (height, width), smooth=False)


def _by_windows(scene: Scene, matrix: np.ndarray, load: Callable[[int], np.ndarray]) -> np.ndarray:
    """Every tile warped straight into the part of the output where it shows.

    No canvas is filled, nothing is computed twice.
    """
    height, width = scene.output_hw
    out = _blank(scene.output_hw)
    scale_x, scale_y, move_x, move_y = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    for tile in scene.tiles:
        x1, x2 = (_first_at(edge * scale_x + move_x, scale_x, width) for edge in tile.window_xyxy[0::2])
        y1, y2 = (_first_at(edge * scale_y + move_y, scale_y, height) for edge in tile.window_xyxy[1::2])
        if x2 > x1 and y2 > y1:
            pixels = _at_canvas_size(tile, load(tile.image))
            placed = np.array(
                [
                    [scale_x, 0.0, scale_x * tile.offset_xy[0] + move_x - x1],
                    [0.0, scale_y, scale_y * tile.offset_xy[1] + move_y - y1],
                ],
            )
            part = cv2.warpAffine(pixels, placed, (x2 - x1, y2 - y1), borderMode=cv2.BORDER_REPLICATE)
            out[y1:y2, x1:x2] = part
    return out


def _first_at(edge: float, scale: float, limit: int) -> int:
    """The first output pixel whose centre shows a canvas pixel from this edge on.

    Pixels lie half a canvas pixel before their edge.
    """
    return min(max(math.ceil(edge - 0.5 * scale), 0), limit)
