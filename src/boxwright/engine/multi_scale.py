# SPDX-License-Identifier: Apache-2.0
"""Multi-scale: every batch in a size of its own, drawn by key."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch.nn import functional

from boxwright.keyed import Purpose, generator

if TYPE_CHECKING:
    import torch


def size_of(batch: int, *, seed: int, image_size: int, grid: int) -> int:
    """The longest side of a batch: half to one and a half times the image size, a multiple of the grid."""
    drawn = int(generator(seed, Purpose.MULTI_SCALE, batch).integers(image_size // 2, image_size * 3 // 2 + grid))
    return drawn // grid * grid


def largest_size(image_size: int, grid: int) -> int:
    """The largest size that can be drawn."""
    return (image_size * 3 // 2 + grid - 1) // grid * grid


def at_size(images: torch.Tensor, size: int, grid: int) -> torch.Tensor:
    """Images so that their longest side is `size`, each side a multiple of the grid. (B, 3, H, W) float"""
    h, w = images.shape[2:]
    if size == max(h, w):
        return images
    target = [math.ceil(side * size / max(h, w) / grid) * grid for side in (h, w)]
    return functional.interpolate(images, size=target, mode="bilinear", align_corners=False)
