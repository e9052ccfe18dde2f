# SPDX-License-Identifier: Apache-2.0
"""Pixels of a split in the size that training or validation wants, from files, memory or disk.

Safe to ask from several threads.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Literal

from boxwright.data.augment.partner_pool import Recent
from boxwright.data.index.index import Index
from boxwright.data.pixels.channels import Kind, read_channels
from boxwright.data.pixels.image_files import BrokenImageError, read_bgr, resized
from boxwright.data.stores.pixel_file import Contents, PixelFile, in_memory, on_disk
from boxwright.geometry.letterbox import loaded_size
from boxwright.system.shared_memory import NotSharedError

if TYPE_CHECKING:
    import numpy as np

Keeping = Literal["no", "memory", "disk"]


class ImageStore:
    """Images by number, in a size whose long side is `long_side`.

    `smooth`: areas are averaged when shrinking, for validation.

    Kept in memory, every image stays once it was asked for, and processes share what they have where they can
    (`unshared` says why not); kept on disk, in one file. With a `pool`, that many stay, the newest. Otherwise as many
    stay as fit into `spare_bytes`, those that came first: which one is asked for next is drawn evenly, so no other
    choice would be met more often.
    """

    def __init__(
        self,
        index: Index,
        long_side: int,
        *,
        keep: Keeping = "no",
        smooth: bool,
        kind: Kind | None = None,
        spare_bytes: int = 0,
        pool: int = 0,
    ) -> None:
        self.index = index
        self.long_side = long_side
        self.smooth = smooth
        self.kind = kind or Kind()
        self._kept: dict[int, np.ndarray] = Recent(pool) if pool else {}
        self._room = math.inf if keep == "memory" or pool else spare_bytes
        self._lock = threading.Lock()
        self._file: PixelFile | None = None
        self.unshared = ""
        if keep == "disk":
            self._file = on_disk(self._contents())
        elif keep == "memory":
            try:
                self._file = in_memory(self._contents())
            except NotSharedError as error:
                self.unshared = str(error)

    def _contents(self) -> Contents:
        shapes = [(*self.size_hw(image), self.kind.channels) for image in range(len(self.index))]
        return Contents(self.index.paths, shapes, self.kind.dtype, f"{self.long_side} {self.smooth}")

    def bytes_needed(self) -> int:
        """Memory that keeping every image takes yet: shared memory is taken already."""
        if self._file is not None and self._file.memory is not None:
            return 0
        values = sum(h * w for h, w in (self.size_hw(image) for image in range(len(self.index))))
        return values * self.kind.channels * self.kind.dtype.itemsize

    def size_hw(self, image: int) -> tuple[int, int]:
        """The size an image is loaded in."""
        width, height = self.index.sizes_wh[image].tolist()
        return loaded_size((height, width), self.long_side)

    def __call__(self, image: int) -> np.ndarray:
        """Pixels in the loaded size: (H, W, 3) uint8 BGR, or (H, W, C) of another kind.

        Raises BrokenImageError for a file that broke since the scan.
        """
        kept = self._kept.get(image)
        if kept is not None:
            return kept
        file = self._file
        pixels = file.load(image) if file is not None else None
        if pixels is None:
            pixels = self._loaded(image)
            if file is not None:
                pixels = file.keep(image, pixels)
        with self._lock:
            if image not in self._kept and pixels.nbytes <= self._room:
                self._kept[image] = pixels
                self._room -= pixels.nbytes
        return pixels

    def close(self) -> None:
        """Let go of everything that is kept; images are read from their files from now on."""
        with self._lock:
            self._kept, self._room = {}, 0
        if self._file is not None and self._file.memory is not None:
            self._file.memory.leave()
        self._file = None

    def _loaded(self, image: int) -> np.ndarray:
        path, size_hw = self.index.paths[image], self.size_hw(image)
        try:
            native = read_bgr(path) if self.kind.usual else read_channels(path, self.kind)
            return resized(native, size_hw, smooth=self.smooth).reshape(*size_hw, -1)
        except MemoryError:
            raise BrokenImageError("there is not enough memory to decode it") from None
