# SPDX-License-Identifier: Apache-2.0
"""From bytes to what the network reads, 0..1, features of one pixel side by side; and to what eyes see."""

from __future__ import annotations

import numpy as np
import torch


class PixelBuffer:
    """One block of memory per shape, written anew by every batch. Fresh memory of this size costs more than the conversion."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) uint8 or uint16 -> float32 in 0..1 on the device, valid until the next call."""
        shape = tuple(images.shape)
        if shape not in self._kept:
            self._kept = {shape: torch.empty(shape, device=self.device).to(memory_format=torch.channels_last)}  # the last shape only
        return self._kept[shape].copy_(images.to(self.device, non_blocking=True)).div_(255 if images.dtype == torch.uint8 else 65535)


def visible(pixels: np.ndarray) -> np.ndarray:
    """Pictures of any kind for eyes: their first three channels, or the first one thrice, in 8 bits. (..., C, H, W) -> (..., 3, H, W) uint8"""
    eight_bit: np.ndarray = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    return eight_bit[..., :3, :, :] if eight_bit.shape[-3] >= 3 else np.repeat(eight_bit[..., :1, :, :], 3, axis=-3)  # noqa: PLR2004 -- red, green, blue
