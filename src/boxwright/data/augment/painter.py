# SPDX-License-Identifier: Apache-2.0
"""From a plan to pixels of any kind.

Colour pictures the fast way, other numbers of channels and pasted objects over a canvas. C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.augment import copy_paste as paste
from boxwright.data.augment.flips import flipped_pixels
from boxwright.data.augment.hsv import with_gains
from boxwright.data.augment.mixup import blended
from boxwright.data.augment.plan import Plan, Scene
from boxwright.data.augment.render import render
from boxwright.data.index.index import Index
from boxwright.data.pixels.channels import USUAL, Kind
from boxwright.data.pixels.image_files import resized
from boxwright.geometry.letterbox import GREY

if TYPE_CHECKING:
    from collections.abc import Callable

WARPED_TOGETHER = 4  # channels that OpenCV moves in one go


@dataclass(frozen=True)
class Painter:
    """Draws plans."""

    index: Index
    kind: Kind = USUAL

    def __call__(self, plan: Plan, load: Callable[[int], np.ndarray], out: np.ndarray) -> None:
        """Draw a sample. `load` gives an image in its loaded size; `out` (C, H, W) receives it."""
        if self.kind.usual and not any(scene.pastes for scene in plan.scenes):
            render(plan, load, out)
            return
        image = self._scene(plan.scenes[0], load)
        if len(plan.scenes) > 1:
            image = blended(image, self._scene(plan.scenes[1], load), plan.share)
        if self.kind.usual:
            image = with_gains(image, plan.gains_hsv)[..., ::-1]
        out[:] = flipped_pixels(image, plan).transpose(2, 0, 1)

    @property
    def grey(self) -> int:
        """What is around images, in values of this kind."""
        return GREY * self.kind.full_scale // 255

    def _scene(self, scene: Scene, load: Callable[[int], np.ndarray]) -> np.ndarray:
        canvas = np.full((*scene.canvas_hw, self.kind.channels), self.grey, self.kind.dtype)
        for tile in scene.tiles:
            x1, y1, x2, y2 = tile.window_xyxy
            if x2 > x1 and y2 > y1:
                height, width = (
                    round(side * gain) for side, gain in zip(tile.loaded_hw, tile.gain_xy[::-1], strict=True)
                )
                pixels = resized(load(tile.image), (height, width), smooth=False).reshape(height, width, -1)
                left, top = x1 - round(tile.offset_xy[0]), y1 - round(tile.offset_xy[1])
                canvas[y1:y2, x1:x2] = pixels[top : top + y2 - y1, left : left + x2 - x1]
        paste.onto(canvas, scene, self.index)
        matrix = scene.warp.matrix(scene.canvas_hw, scene.output_hw)
        if np.allclose(matrix, np.eye(3), atol=1e-12) and scene.canvas_hw == scene.output_hw:
            return canvas
        parts = [
            self._warped(canvas[..., first : first + WARPED_TOGETHER], matrix, scene.output_hw)
            for first in range(0, canvas.shape[2], WARPED_TOGETHER)
        ]
        return np.concatenate(parts, axis=2)

    def _warped(self, canvas: np.ndarray, matrix: np.ndarray, output_hw: tuple[int, int]) -> np.ndarray:
        size, border = output_hw[::-1], (self.grey,) * WARPED_TOGETHER
        whole = np.ascontiguousarray(canvas)
        if np.any(matrix[2, :2]):
            warped = cv2.warpPerspective(whole, matrix, size, borderValue=border)
        else:
            warped = cv2.warpAffine(whole, matrix[:2], size, borderValue=border)
        return warped.reshape(*output_hw, -1)
