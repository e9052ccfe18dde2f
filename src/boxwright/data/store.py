# SPDX-License-Identifier: Apache-2.0
"""Pixels of a split in the size that training or validation wants, from files or from memory. Safe to ask from several threads."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from boxwright.data.augment.plan import loaded_size
from boxwright.data.images import read_bgr, resized
from boxwright.data.index import Index

if TYPE_CHECKING:
    import numpy as np


class ImageStore:
    """Images by number, in a size whose long side is `long_side`. `smooth`: areas are averaged when shrinking, for validation.

    `keep` holds every image once it was asked for; otherwise as many as fit into `spare_bytes`, those that came first: which one is asked
    for next is drawn evenly, so no other choice would be met more often.
    """

    def __init__(self, index: Index, long_side: int, *, keep: bool, smooth: bool, spare_bytes: int = 0) -> None:
        self.index = index
        self.long_side = long_side
        self.smooth = smooth
        self._kept: dict[int, np.ndarray] = {}
        self._room = math.inf if keep else spare_bytes
        self._lock = threading.Lock()

    def bytes_needed(self) -> int:
        """Memory that keeping every image takes."""
        return sum(3 * h * w for h, w in (self.size_hw(image) for image in range(len(self.index))))

    def size_hw(self, image: int) -> tuple[int, int]:
        """The size an image is loaded in."""
        width, height = self.index.sizes_wh[image].tolist()
        return loaded_size((height, width), self.long_side)

    def __call__(self, image: int) -> np.ndarray:
        """Pixels in the loaded size. (H, W, 3) uint8 BGR. Raises BrokenImageError for a file that broke since the scan."""
        kept = self._kept.get(image)
        if kept is not None:
            return kept
        pixels = resized(read_bgr(self.index.paths[image]), self.size_hw(image), smooth=self.smooth)
        with self._lock:
            if image not in self._kept and pixels.nbytes <= self._room:
                self._kept[image] = pixels
                self._room -= pixels.nbytes
        return pixels
