# SPDX-License-Identifier: Apache-2.0
"""A validation from files to AP as textbooks write it.

One picture after the other, the network as it was trained, the greedy walk per image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from boxwright.geometry.letterbox import GREY, Letterbox
from tests.oracles import greedy_nms
from tests.oracles.plain_metrics import validation_of_images

if TYPE_CHECKING:
    from collections.abc import Sequence

MIN_SCORE, MAX_IOU = 0.001, 0.6


@dataclass(frozen=True)
class Pictures(Dataset):
    """Files, and how each of them lies on its canvas."""

    paths: Sequence[str]
    boxes: Sequence[Letterbox]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        picture, box = cv2.imread(self.paths[place]), self.boxes[place]
        (height, width), (top, left) = box.resized_hw, box.top_left
        if picture.shape[:2] != (height, width):
            picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        bottom, right = box.canvas_hw[0] - height - top, box.canvas_hw[1] - width - left
        padded = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(GREY, GREY, GREY))
        return torch.from_numpy(np.ascontiguousarray(padded[..., ::-1].transpose(2, 0, 1))), place


@torch.no_grad()
def average_precision(
    network: torch.nn.Module, pictures: Pictures, batches: list[list[int]], labels: np.ndarray, label_images: np.ndarray
) -> np.ndarray:
    """AP of every class and threshold. labels (L, 5) class, xyxy in native pixels, in order of images -> (C, T)"""
    found: list[np.ndarray] = [np.zeros((0, 6), np.float32)] * len(pictures)
    for images, places in DataLoader(pictures, batch_sampler=batches):
        decoded = network(images.float() / 255).decoded
        for rows, place in zip(decoded, places.tolist(), strict=True):
            kept = greedy_nms.detections(rows, MIN_SCORE, MAX_IOU).numpy()
            kept[:, :4] = pictures.boxes[place].boxes_to_source(kept[:, :4])
            found[place] = kept
    counts = [len(rows) for rows in found]
    return validation_of_images(np.concatenate(found), np.repeat(np.arange(len(found)), counts), labels, label_images)
