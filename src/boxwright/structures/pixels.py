# SPDX-License-Identifier: Apache-2.0
"""Pictures of any kind as eyes can see them."""

from __future__ import annotations

import numpy as np


def visible(pixels: np.ndarray) -> np.ndarray:
    """Pictures of any kind for eyes: their first three channels, or the first one thrice, in 8 bits.

    (..., C, H, W) -> (..., 3, H, W) uint8
    """
    eight_bit: np.ndarray = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    return eight_bit[..., :3, :, :] if eight_bit.shape[-3] >= 3 else np.repeat(eight_bit[..., :1, :, :], 3, axis=-3)  # noqa: PLR2004 -- red, green, blue
