# SPDX-License-Identifier: Apache-2.0
"""Decoded images of a split in one file: filled as they are first wanted, so that it can be stopped and gone on with at any time.

Every image has its place by number. A stamp of its source and a checksum stand before the pixels; an image whose source has
changed, or that was not written whole, is made anew. Nothing is ever thrown out to make room: the file has its full size.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.index_cache import stamp
from boxwright.errors import SettingError
from boxwright.system.files import free_disk_bytes, open_shared
from boxwright.system.places import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENTRY = np.dtype([("stamp", "<u8"), ("checksum", "<u4"), ("whole", "<u4")])
SPARE_BYTES = 1 << 30  # that stay free on the disk


class PixelFile:
    """Pixels by image number, on disk. `shapes` (H, W, C) of every image, all values of `dtype`."""

    def __init__(self, paths: Sequence[str], shapes: Sequence[tuple[int, int, int]], dtype: np.dtype[np.generic], title: str) -> None:
        self.shapes, self.dtype = list(shapes), dtype
        sizes = np.array([np.prod(shape) * dtype.itemsize for shape in shapes], np.int64)
        head = len(paths) * _ENTRY.itemsize
        self._starts = head + np.concatenate(([0], np.cumsum(sizes)))
        key = hashlib.sha256(repr((title, tuple(paths), tuple(shapes), str(dtype))).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.path = cache_folder() / "images" / f"{key}.pixels"
        total = int(self._starts[-1])
        free = free_disk_bytes(cache_folder())
        if not self.path.exists() and total + SPARE_BYTES > free:
            what = f"decoded images of {len(paths)} files take {total / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free in {cache_folder()}"
            raise SettingError("cache", what, "Leave --cache out, choose a smaller --imgsz, or set BOXWRIGHT_CACHE to a larger disk")
        self._bytes = open_shared(self.path, total)
        self._entries = self._bytes[:head].view(_ENTRY)
        self._stamps = np.array([_number(stamp(path)) for path in paths], np.uint64)
        self._checked: set[int] = set()

    def load(self, image: int) -> np.ndarray | None:
        """The pixels, if they are there and whole. (H, W, C)"""
        entry = self._entries[image]
        if not entry["whole"] or entry["stamp"] != self._stamps[image]:
            return None
        content = self._bytes[self._starts[image] : self._starts[image + 1]]
        if image not in self._checked:
            if zlib.crc32(content.data) != entry["checksum"]:
                return None
            self._checked.add(image)
        return content.view(self.dtype).reshape(self.shapes[image])

    def keep(self, image: int, pixels: np.ndarray) -> None:
        """Write the pixels of an image; the mark that they are whole comes last."""
        content = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
        entry = self._entries[image : image + 1]
        entry["whole"] = 0
        self._bytes[self._starts[image] : self._starts[image + 1]] = content
        entry["stamp"], entry["checksum"] = self._stamps[image], zlib.crc32(content.data)
        entry["whole"] = 1
        self._checked.add(image)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
