# SPDX-License-Identifier: Apache-2.0
"""The upright size of an ordinary, whole JPEG from its first and last bytes.

Whatever is unusual is left to those who read it all.
"""

from __future__ import annotations

import os
import struct

from boxwright.paths import opened_regular

USUAL_BYTES = 1 << 28  # a file of more is looked at as a whole
HEAD_BYTES, TAIL_BYTES = 16384, 64  # where nearly all headers end; zeros that some writers leave behind
_START, _END = b"\xff\xd8", b"\xff\xd9"
_FRAMES = frozenset((0xC0, 0xC1, 0xC2))  # baseline, extended, progressive: what every decoder knows
_TABLES = frozenset(
    (0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0))
)  # Huffman, quantization, restart, comment, application
_SCAN, _EXIF_AT, _MORE_PICTURES_AT, _QUANTIZATION = 0xDA, 0xE1, 0xE2, 0xDB
_EXIF, _MORE_PICTURES = b"Exif\0\0", b"MPF\0"
_COMPONENTS = frozenset((1, 3, 4))
_ORIENTATION, _SHORT = 0x0112, 3
_SIDEWAYS = frozenset((5, 6, 7, 8))


def size_of_jpeg(path: str) -> tuple[int, int] | None:
    """Width and height, turned upright.

    None when the file is not an ordinary, whole JPEG of at most USUAL_BYTES, or cannot be read.
    """
    try:
        with opened_regular(path) as (file, size):
            head = os.read(file, HEAD_BYTES)
            if size > USUAL_BYTES or not head.startswith(_START):
                return None
            if len(head) == HEAD_BYTES:
                os.lseek(file, -TAIL_BYTES, os.SEEK_END)
                tail = os.read(file, TAIL_BYTES)
            else:
                tail = head
    except OSError:
        return None
    return _size_in(head) if tail.rstrip(b"\0").endswith(_END) else None


def _size_in(head: bytes) -> tuple[int, int] | None:
    """Walk from segment to segment up to the start of the scan."""
    at, tables = 2, 0
    frames: list[tuple[int, int] | None] = []
    orientations: list[int | None] = []
    while at + 4 <= len(head) and head[at] == 0xFF:  # noqa: PLR2004 -- begins every marker
        kind, length = head[at + 1], (head[at + 2] << 8) + head[at + 3]
        if kind == _SCAN:
            return _upright(frames, orientations) if tables else None
        if kind in _FRAMES:
            frames.append(_frame(head, at + 4, length))
        elif kind not in _TABLES or (kind == _MORE_PICTURES_AT and head.startswith(_MORE_PICTURES, at + 4)):
            break
        elif kind == _EXIF_AT and head.startswith(_EXIF, at + 4):
            orientations.append(_orientation(head[at + 4 + len(_EXIF) : at + 2 + length]))
        tables += kind == _QUANTIZATION
        at += 2 + length
    return None


def _upright(frames: list[tuple[int, int] | None], orientations: list[int | None]) -> tuple[int, int] | None:
    """The size of the one frame, turned as the one EXIF block says.

    What is odd or stands there twice is not judged here.
    """
    if len(frames) != 1 or frames[0] is None or len(orientations) > 1 or None in orientations:
        return None
    width, height = frames[0]
    return (height, width) if _SIDEWAYS.intersection(orientations) else (width, height)


def _frame(head: bytes, at: int, length: int) -> tuple[int, int] | None:
    if at + 6 > len(head):
        return None
    depth, height, width, components = struct.unpack_from(">BHHB", head, at)
    sound = depth == 8 and components in _COMPONENTS and length == 8 + 3 * components and width and height  # noqa: PLR2004 -- bits, and the header's own bytes
    return (width, height) if sound else None


def _orientation(exif: bytes) -> int | None:
    """The orientation in an EXIF block, 1 where it states none; None when the block is odd."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:  # noqa: PLR2004 -- the header's bytes
        return None
    (first,) = struct.unpack_from(f"{order}I", exif, 4)
    if first + 2 > len(exif):
        return None
    (entries,) = struct.unpack_from(f"{order}H", exif, first)
    if first + 2 + 12 * entries > len(exif):
        return None
    for entry in range(entries):
        tag, kind, count, value = struct.unpack_from(f"{order}HHIH", exif, first + 2 + 12 * entry)
        if tag == _ORIENTATION:
            return value if kind == _SHORT and count == 1 else None
    return 1
