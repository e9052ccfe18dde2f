# SPDX-License-Identifier: Apache-2.0
"""Decoded images of a split in one file.

Filled as they are first wanted, so that it can be stopped and gone on with at any time.

Every image has its place by number. A stamp of its source and a checksum stand before the pixels; an image whose source
has changed, or that was not written whole, is made anew. Nothing is ever thrown out to make room: the file has its full
size. It lies on a disk, or in memory that processes share.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import __version__ as pillow_version

from boxwright.data.splits.index_cache import stamp
from boxwright.errors import SettingError
from boxwright.paths import is_there
from boxwright.system.files import free_disk_bytes, open_shared
from boxwright.system.places import cache_folder
from boxwright.system.shared_memory import SharedMemory
from boxwright.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

_ENTRY = np.dtype([("stamp", "<u8"), ("checksum", "<u4"), ("whole", "<u4")])
SPARE_BYTES = 1 << 30  # that stay free on the disk


@dataclass(frozen=True)
class Contents:
    """What a file of pixels is to hold: images `paths` in these `shapes` (H, W, C), all values of `dtype`.

    `title` says how they were made.
    """

    paths: Sequence[str]
    shapes: Sequence[tuple[int, int, int]]
    dtype: np.dtype[np.generic]
    title: str

    @property
    def head(self) -> int:
        """Bytes before the first pixel."""
        return len(self.paths) * _ENTRY.itemsize

    def starts(self) -> np.ndarray:
        """Where the pixels of every image begin, and where the last ones end. (N + 1,) int64"""
        sizes = np.array([np.prod(shape) * self.dtype.itemsize for shape in self.shapes], np.int64)
        return self.head + np.concatenate(([0], np.cumsum(sizes)))

    @cached_property
    def stamps(self) -> np.ndarray:
        """One number for what each image file is now. (N,) uint64"""
        return np.array([_number(stamp(path)) for path in self.paths], np.uint64)

    def name(self, more: str = "") -> str:
        """The same for the same contents."""
        facts = repr((self.title + more, tuple(self.paths), tuple(self.shapes), str(self.dtype)))
        return hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".pixels"


class PixelFile:
    """Pixels by image number."""

    def __init__(self, contents: Contents, content: np.ndarray, memory: SharedMemory | None = None) -> None:
        self.shapes, self.dtype, self.memory = list(contents.shapes), contents.dtype, memory
        self._bytes, self._starts = content, contents.starts()
        self._entries = content[: contents.head].view(_ENTRY)
        self._stamps = contents.stamps
        self._checked: set[int] = set()

    def load(self, image: int) -> np.ndarray | None:
        """The pixels, if they are there and whole. (H, W, C)"""
        entry = self._entries[image]
        if not entry["whole"] or entry["stamp"] != self._stamps[image]:
            return None
        content = self._content(image)
        if image not in self._checked:
            if zlib.crc32(content.data) != entry["checksum"]:
                return None
            self._checked.add(image)
        return self._pixels(image)

    def keep(self, image: int, pixels: np.ndarray) -> np.ndarray:
        """Write the pixels of an image, the mark that they are whole last; returns them as they stand here."""
        content = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
        entry = self._entries[image : image + 1]
        entry["whole"] = 0
        self._content(image)[:] = content
        entry["stamp"], entry["checksum"] = self._stamps[image], zlib.crc32(content.data)
        entry["whole"] = 1
        self._checked.add(image)
        return self._pixels(image)

    def _content(self, image: int) -> np.ndarray:
        return self._bytes[self._starts[image] : self._starts[image + 1]]

    def _pixels(self, image: int) -> np.ndarray:
        return self._content(image).view(self.dtype).reshape(self.shapes[image])


def on_disk(contents: Contents) -> PixelFile:
    """In the user's cache folder, to stay. Raises SettingError when the disk is too small."""
    path, total = cache_folder() / "images" / contents.name(), int(contents.starts()[-1])
    free = free_disk_bytes(cache_folder())
    if not is_there(path) and total + SPARE_BYTES > free:
        what = (
            f"decoded images of {len(contents.paths)} files take {total / 2**30:.1f} GiB, and "
            f"{free / 2**30:.1f} "
            f"GiB are free in {cache_folder()}"
        )
        raise SettingError(
            "cache", what, "Leave --cache out, choose a smaller --imgsz, or set BOXWRIGHT_CACHE to a larger disk"
        )
    return PixelFile(contents, open_shared(path, total))


def in_memory(contents: Contents) -> PixelFile:
    """In memory that processes share, as long as one of them is there. Raises NotSharedError."""
    # All under one name write the same pixels, so nobody changes what another one looks at: processes that see other
    # files, or decode in another way,
    # have another name.
    more = f" {__version__} {cv2.__version__} {pillow_version} {hashlib.sha256(contents.stamps.tobytes()).hexdigest()}"
    memory = SharedMemory(contents.name(more), int(contents.starts()[-1]))
    return PixelFile(contents, memory.bytes, memory)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
