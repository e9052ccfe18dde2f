# SPDX-License-Identifier: Apache-2.0
"""Prediction: images in, detections out, in the pixels of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from boxwright.data.images import resized
from boxwright.geometry.letterbox import GREY, Letterbox, fit
from boxwright.geometry.nms import NmsRules, detections
from boxwright.infer.ensemble import Ensemble
from boxwright.structures.detections import Detections
from boxwright.system.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Predictor:
    """A network ready for use."""

    network: Ensemble
    names: tuple[str, ...]
    device: torch.device
    image_size: int
    grid: int
    precision: Precision
    square: bool = False  # every canvas has the full size: for networks that take no other

    @torch.inference_mode()
    def __call__(self, images_rgb: Sequence[np.ndarray], rules: NmsRules, paths: Sequence[str] | None = None) -> list[Detections]:
        """Detections of images (H, W, 3) uint8 RGB of any sizes, in one pass."""
        if not images_rgb:
            return []
        boxes = self._boxes([image.shape[:2] for image in images_rgb])
        pixels = torch.from_numpy(np.stack([placed(image, box) for image, box in zip(images_rgb, boxes, strict=True)]))
        batch = pixels.to(self.device).permute(0, 3, 1, 2).float() / 255
        with self.precision.autocast():
            decoded = self.network(batch.contiguous(memory_format=torch.channels_last)).decoded.float()
        found = []
        for image, box, prediction, path in zip(images_rgb, boxes, decoded, paths or [""] * len(images_rgb), strict=True):
            rows = detections(prediction, rules)[0].cpu().numpy()
            rows[:, :4] = box.boxes_to_source(rows[:, :4])
            found.append(Detections.from_rows(rows, self.names, (image.shape[0], image.shape[1]), path))
        return found

    def _boxes(self, sizes_hw: list[tuple[int, ...]]) -> list[Letterbox]:
        """One canvas for all: as small as the grid allows when the images are alike, else square."""
        square = self.image_size, self.image_size
        boxes = [fit((h, w), square, stride=self.grid) for h, w in sizes_hw]
        if len({box.canvas_hw for box in boxes}) == 1 and not self.square:
            return boxes
        return [fit((h, w), square) for h, w in sizes_hw]


def placed(image_rgb: np.ndarray, box: Letterbox) -> np.ndarray:
    """An image on its grey canvas. (H, W, 3) uint8"""
    canvas = np.full((*box.canvas_hw, 3), GREY, np.uint8)
    top, left = box.top_left
    height, width = box.resized_hw
    canvas[top : top + height, left : left + width] = resized(image_rgb, box.resized_hw, smooth=False)
    return canvas
