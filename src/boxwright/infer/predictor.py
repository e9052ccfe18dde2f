# SPDX-License-Identifier: Apache-2.0
"""Prediction: images in, detections out, in the pixels of the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from boxwright.data.pixels.channels import USUAL, Kind
from boxwright.data.pixels.image_files import resized
from boxwright.geometry.letterbox import GREY, Letterbox, fit
from boxwright.geometry.nms import NmsRules, detections
from boxwright.infer.ensemble import Ensemble
from boxwright.structures.detections import Detections
from boxwright.system.device import configured_process
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
    kind: Kind = USUAL
    threads: int = 0  # compute threads while it works, 0 = the usual number

    @torch.inference_mode()
    def __call__(
        self, images: Sequence[np.ndarray], rules: NmsRules, paths: Sequence[str] | None = None
    ) -> list[Detections]:
        """Detections of images of any sizes, in one pass.

        (H, W, C) of the kind that the network takes: uint8 RGB, unless it says otherwise.
        """
        if not images:
            return []
        with configured_process(self.device, self.threads):
            return self._found(images, rules, paths or [""] * len(images))

    def _found(self, images: Sequence[np.ndarray], rules: NmsRules, paths: Sequence[str]) -> list[Detections]:
        boxes = self._boxes([image.shape[:2] for image in images])
        pixels = torch.from_numpy(
            np.stack([placed(image, box, self.kind) for image, box in zip(images, boxes, strict=True)])
        )
        batch = pixels.to(self.device).permute(0, 3, 1, 2).float() / self.kind.full_scale
        with self.precision.autocast():
            decoded = self.network(batch.contiguous(memory_format=torch.channels_last)).decoded.float()
        found = []
        for image, box, prediction, path in zip(images, boxes, decoded, paths, strict=True):
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


def placed(image: np.ndarray, box: Letterbox, kind: Kind = USUAL) -> np.ndarray:
    """An image on its grey canvas. (H, W, C)"""
    canvas = np.full((*box.canvas_hw, kind.channels), GREY * kind.full_scale // 255, kind.dtype)
    top, left = box.top_left
    height, width = box.resized_hw
    canvas[top : top + height, left : left + width] = resized(image, box.resized_hw, smooth=False).reshape(
        height, width, -1
    )
    return canvas
