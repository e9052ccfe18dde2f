# SPDX-License-Identifier: Apache-2.0
"""What the directories of a TIFF claim, read without its data.

Sizes of pages, of strips and tiles, and of everything they point at.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

MAX_PAGES = 4096
_WIDTH, _HEIGHT, _BITS, _SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 277, 278, 322, 323
_READ = frozenset((_WIDTH, _HEIGHT, _BITS, _SAMPLES, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT))
_UNIT = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}  # bytes of a value, by type
_WHOLE = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 6: "B", 8: "H", 9: "I", 17: "Q"}


class Page(NamedTuple):
    """One directory of pictures.

    Sides in pixels, bits of a value, bytes of a pixel, of the part that is decoded at once, of all that its entries
    claim.
    """

    width: int
    height: int
    bits: int
    pixel_bytes: float
    part_bytes: int
    entry_bytes: int


class _Shape(NamedTuple):
    """How numbers are written: byte order, and the widths that a file of 32 or of 64 bits has."""

    order: str
    big: bool

    @property
    def entry_size(self) -> int:
        return 20 if self.big else 12

    def number(self, content: bytes, at: int, code: str) -> int:
        found: int = struct.unpack_from(self.order + code, content, at)[0]
        return found


def pages_of(content: bytes) -> list[Page]:
    """All pages of a file. Raises ValueError for one that has none, runs in a circle, or points out of itself."""
    shape = _Shape("<" if content[:1] == b"I" else ">", b"+" in content[2:4])
    pages: list[Page] = []
    seen: set[int] = set()
    try:
        at = shape.number(content, 8, "Q") if shape.big else shape.number(content, 4, "I")
        while at:
            if at in seen:
                raise ValueError("its pages run in a circle")
            if len(seen) == MAX_PAGES:
                raise ValueError(f"has more than {MAX_PAGES:,} pages")
            seen.add(at)
            page, at = _page(content, at, shape)
            pages.append(page)
    except struct.error:
        raise ValueError("its directory of tags is cut off") from None
    if not pages:
        raise ValueError("has no page")
    return pages


def block_bytes(block: bytes) -> int:
    """What the entries of the first directory of an EXIF block claim together, in bytes; 0 when it is none."""
    if block[:2] not in {b"II", b"MM"}:
        return 0
    try:
        order = "<" if block[:1] == b"I" else ">"
        return _entries(block, struct.unpack_from(f"{order}I", block, 4)[0], _Shape(order, big=False))[1]
    except struct.error:
        return 0


def _page(content: bytes, at: int, shape: _Shape) -> tuple[Page, int]:
    """The page whose directory begins here, and where the next one begins."""
    values, claimed, after = _entries(content, at, shape)
    width, height, bits = _largest(values, _WIDTH, 0), _largest(values, _HEIGHT, 0), _largest(values, _BITS, 1)
    pixel = _largest(values, _SAMPLES, 1) * bits / 8
    rows = min(_largest(values, _STRIP_ROWS, height), height)
    part = (
        width * rows
        if _TILE_WIDTH not in values
        else _largest(values, _TILE_WIDTH, 0) * _largest(values, _TILE_HEIGHT, 0)
    )
    following = (
        shape.number(content, after, "Q" if shape.big else "I")
        if after + (8 if shape.big else 4) <= len(content)
        else 0
    )
    return Page(width, height, bits, pixel, int(part * pixel), claimed), following


def _largest(values: dict[int, list[int]], tag: int, usual: int) -> int:
    return max(values.get(tag, ()), default=usual)


def _entries(content: bytes, at: int, shape: _Shape) -> tuple[dict[int, list[int]], int, int]:
    """Values of the entries that say sizes, the bytes that all entries claim of this file.

    And where the entries end.
    """
    count = shape.number(content, at, "Q" if shape.big else "H")
    first = at + (8 if shape.big else 2)
    if first + count * shape.entry_size > len(content):
        raise struct.error("directory")
    values: dict[int, list[int]] = {}
    claimed = 0
    for place in range(first, first + count * shape.entry_size, shape.entry_size):
        tag, kind = shape.number(content, place, "H"), shape.number(content, place + 2, "H")
        number = shape.number(content, place + 4, "Q" if shape.big else "I")
        claimed += min(number * _UNIT.get(kind, 1), len(content))
        if tag in _READ and kind in _WHOLE:
            values.setdefault(tag, []).extend(_numbers(content, place, kind, number, shape))
    return values, claimed, first + count * shape.entry_size


def _numbers(content: bytes, place: int, kind: int, number: int, shape: _Shape) -> list[int]:
    """The first whole numbers of an entry: they stand in it, or where it points."""
    inside = place + (12 if shape.big else 8)
    room = 8 if shape.big else 4
    at = inside if number * _UNIT[kind] <= room else shape.number(content, inside, "Q" if shape.big else "I")
    many = min(number, 16)
    return [shape.number(content, at + index * _UNIT[kind], _WHOLE[kind]) for index in range(many)]
