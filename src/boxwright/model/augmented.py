# SPDX-License-Identifier: Apache-2.0
"""Test-time augmentation: three sizes, one of them mirrored, their predictions joined.

The largest image is not asked for large objects and the smallest not for small ones: the coarsest level of the first
pass and the finest of the last are left out.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from boxwright.model.detector import Detector

PASSES = ((1.0, False), (0.83, True), (0.67, False))  # scale, mirrored
PADDING = 0.447  # the mean of ImageNet


def augmented(detector: Detector, images: torch.Tensor) -> torch.Tensor:
    """Decoded predictions of all passes in the coordinates of the images. (B, 3, H, W) -> (B, P', 5 + C)"""
    passes = [_one_pass(detector, images, scale, mirrored=mirrored) for scale, mirrored in PASSES]
    num_levels = len(detector.strides)
    cells = sum(4**level for level in range(num_levels))  # cells of all levels in units of the coarsest
    first, *middle, last = passes
    first = first[:, : first.shape[1] - first.shape[1] // cells]
    last = last[:, last.shape[1] // cells * 4 ** (num_levels - 1) :]
    return torch.cat((first, *middle, last), 1)


def _one_pass(detector: Detector, images: torch.Tensor, scale: float, *, mirrored: bool) -> torch.Tensor:
    width = images.shape[3]
    seen = images.flip(3) if mirrored else images
    decoded: torch.Tensor = detector(_scaled(seen, scale, detector.grid)).decoded
    boxes = decoded[..., :4] / scale
    if mirrored:
        boxes = torch.cat((width - boxes[..., :1], boxes[..., 1:]), -1)
    return torch.cat((boxes, decoded[..., 4:]), -1)


def _scaled(images: torch.Tensor, scale: float, grid: int) -> torch.Tensor:
    if scale == 1:
        return images
    h, w = images.shape[2:]
    small = functional.interpolate(images, size=(int(h * scale), int(w * scale)), mode="bilinear", align_corners=False)
    target_h, target_w = (math.ceil(side * scale / grid) * grid for side in (h, w))
    return functional.pad(small, (0, target_w - small.shape[3], 0, target_h - small.shape[2]), value=PADDING)
