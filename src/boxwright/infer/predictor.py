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
    size_hw: tuple[int, int] | None = None  # height and width of the largest canvas, where it is no square

    @torch.inference_mode()
    def __call__(
        self, images: Sequence[np.ndarray], rules: NmsRules, paths: Sequence[str] | None = None
    ) -> list[Detections]:
        """Detections of images of any sizes; those of one canvas go through the network together.

        (H, W, C) of the kind that the network takes: uint8 RGB, unless it says otherwise. Each image has the canvas
        that it would have alone, so that company changes nothing of what the network sees of it.
        """
        boxes = [self._letterbox(image.shape[:2]) for image in images]
        groups: dict[tuple[int, int], list[int]] = {}
        for number, box in enumerate(boxes):
            groups.setdefault(box.canvas_hw, []).append(number)
        found: dict[int, Detections] = {}
        for numbers in groups.values():
            decoded = self._decoded([placed(images[n], boxes[n], self.kind) for n in numbers])
            for number, prediction in zip(numbers, decoded, strict=True):
                rows = detections(prediction, rules)[0].cpu().numpy()
                rows[:, :4] = boxes[number].boxes_to_source(rows[:, :4])
                height, width = images[number].shape[:2]
                path = paths[number] if paths else ""
                found[number] = Detections.from_rows(rows, self.names, (height, width), path)
        return [found[number] for number in range(len(images))]

    def _decoded(self, canvases: Sequence[np.ndarray]) -> torch.Tensor:
        """What the network says of canvases of one size. (B, N, 5 + classes)"""
        pixels = torch.from_numpy(np.stack(canvases))
        batch = pixels.to(self.device).permute(0, 3, 1, 2).float() / self.kind.full_scale
        with configured_process(self.device, self.threads), self.precision.autocast():
            return self.network(batch.contiguous(memory_format=torch.channels_last)).decoded.float()

    def _letterbox(self, size_hw: tuple[int, ...]) -> Letterbox:
        """The canvas of an image: as small as the grid allows, or the full size for networks that take no other."""
        height, width = size_hw
        largest = self.size_hw or (self.image_size, self.image_size)
        return fit((height, width), largest) if self.square else fit((height, width), largest, stride=self.grid)


def placed(image: np.ndarray, box: Letterbox, kind: Kind = USUAL) -> np.ndarray:
    """An image on its grey canvas. (H, W, C)"""
    canvas = np.full((*box.canvas_hw, kind.channels), GREY * kind.full_scale // 255, kind.dtype)
    top, left = box.top_left
    height, width = box.resized_hw
    canvas[top : top + height, left : left + width] = resized(image, box.resized_hw, smooth=False).reshape(
        height, width, -1
    )
    return canvas
