# SPDX-License-Identifier: Apache-2.0
"""From a batch's bytes to what the network reads: 0..1, features of one pixel side by side."""

from __future__ import annotations

import torch


class PixelBuffer:
    """One block of memory per shape, written anew by every batch. Fresh memory of this size costs more than the conversion."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._kept: dict[tuple[int, ...], torch.Tensor] = {}

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) uint8 -> float32 in 0..1 on the device, valid until the next call."""
        shape = tuple(images.shape)
        if shape not in self._kept:
            self._kept = {shape: torch.empty(shape, device=self.device).to(memory_format=torch.channels_last)}  # the last shape only
        return self._kept[shape].copy_(images.to(self.device, non_blocking=True)).div_(255)
