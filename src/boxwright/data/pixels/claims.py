# SPDX-License-Identifier: Apache-2.0
"""What the header of a picture claims, before a decoder believes it: pixels, and the memory that decoding will take."""

from __future__ import annotations

import io
import math
import re
import struct
import tokenize
from typing import Any, NamedTuple

import numpy as np

from boxwright.data.pixels.signatures import PictureKind
from boxwright.data.pixels.tiff import pages_of

MAX_PIXELS = 1 << 28  # 16384 x 16384
MAX_DECODING_BYTES = 1640 << 20  # while a picture is decoded: with what the program itself takes below 2 GiB
MAX_SCANNED_PIXELS = (
    1 << 32
)  # pixels times scans of a progressive JPEG: each scan goes over all of them, 100 to 200 million a second

# Bytes of memory per pixel at the largest moment, measured: the decoder's own picture, and the copy that becomes an
# array.
_PLAIN, _ANIMATED, _PROGRESSIVE, _WEBP, _GIF, _FLOATING = 6, 13, 12, 12, 9, 40
_DEEP_TIFF = 30  # of 32 bits and more
_PLANES = (
    4  # times the bytes of the values, where all channels are kept: decoded, copied, joined, brought to another depth
)
_BASELINE = b"\xc0\xc1"
_FRAME = re.compile(
    rb"\xff([\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf])\0[\x0b\x0e\x11\x14].(..)(..)([\x01-\x04])", re.DOTALL
)
_FLOATS = re.compile(rb"(P[Ff])\s+(\d{1,7})\s+(\d{1,7})\s+\S{1,32}\s")
_MANY_PAGES = 2


class Claim(NamedTuple):
    """Sides in pixels as stored, and the memory in bytes that decoding takes.

    To 8-bit colour, and with every channel and bit kept.
    """

    width: int
    height: int
    usual_bytes: float
    every_channel_bytes: float

    @property
    def pixels(self) -> int:
        """How many there are of one page."""
        return self.width * self.height


def claim_of(content: bytes, kind: PictureKind) -> Claim:
    """What a picture of this kind claims. Raises ValueError when its header cannot be made out."""
    try:
        return _READERS[kind](content)
    except (struct.error, IndexError):
        raise ValueError("its header is cut off") from None


def objection(content: bytes, kind: PictureKind, *, every_channel: bool = False, most_pixels: int = MAX_PIXELS) -> str:
    """Why a picture is not decoded, in a few words; empty when it may be."""
    try:
        claim = claim_of(content, kind)
    except ValueError as error:
        return str(error)
    size = f"its header claims {claim.width} x {claim.height} pixels"
    if claim.pixels > most_pixels:
        return f"{size}, over the limit of {most_pixels:,}"
    needed = len(content) + (claim.every_channel_bytes if every_channel else claim.usual_bytes)
    if needed > MAX_DECODING_BYTES:
        return (
            f"{size}, and to decode them takes {needed / 2**20:,.0f} MiB of memory, over the limit "
            "of "
            f"{MAX_DECODING_BYTES >> 20:,}"
        )
    if kind == "JPEG" and claim.pixels * content.count(b"\xff\xda") > MAX_SCANNED_PIXELS:
        return f"{size} in {content.count(bytes((0xFF, 0xDA))):,} scans, which would take minutes"
    return ""


def _claim(width: int, height: int, usual: float, every_channel: float, more: float = 0) -> Claim:
    return Claim(width, height, width * height * usual + more, width * height * every_channel + more)


def _jpeg(content: bytes) -> Claim:
    """The largest of all frames that stand anywhere in it, thumbnails too.

    Which one a decoder takes is its own affair.
    """
    frames = [
        (*struct.unpack(">HH", found[2] + found[3]), found[1] in _BASELINE, found[4][0])
        for found in _FRAME.finditer(content)
    ]
    if not frames:
        raise ValueError("its header states no size")
    height, width = max((frame[:2] for frame in frames), key=lambda sides: sides[0] * sides[1])
    plain = all(frame[2] for frame in frames)
    return _claim(
        width, height, _PLAIN if plain else _PROGRESSIVE, _PLANES * 3 + (0 if plain else _PROGRESSIVE - _PLAIN)
    )


def _png(content: bytes) -> Claim:
    """From all headers that stand before the data."""
    at, sides, values, animated = 8, (0, 0), 0, False
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        if name == b"IHDR":
            found = struct.unpack_from(">IIBB", content, at + 8)
            sides = max(sides, found[:2], key=lambda two: two[0] * two[1])
            values = max(values, (2 if found[2] > 8 else 1) * 4)  # noqa: PLR2004 -- bits of a byte; alpha may come from anywhere
        elif name == b"fcTL":
            sides = max(sides, struct.unpack_from(">II", content, at + 12), key=lambda two: two[0] * two[1])
        elif name in {b"IDAT", b"IEND"}:
            break
        animated |= name == b"acTL"
        at += 12 + length
    if not values:
        raise ValueError("its header states no size")
    return _claim(*sides, _ANIMATED if animated else _PLAIN, _PLANES * values + (_ANIMATED if animated else 0))


def _bmp(content: bytes) -> Claim:
    old = content[14] == 12  # noqa: PLR2004 -- bytes of the oldest header
    width, height = struct.unpack_from("<HH" if old else "<ii", content, 18)
    return _claim(abs(width), abs(height), _PLAIN, _PLANES * 4)


def _gif(content: bytes) -> Claim:
    """The canvas, and what the first picture makes of it."""
    width, height, packed = struct.unpack_from("<HHB", content, 6)
    at = 13 + (3 << (packed & 7) + 1 if packed & 0x80 else 0)
    while content[at] == 0x21:  # noqa: PLR2004 -- an extension: a label, then blocks up to an empty one
        at += 2
        while content[at]:
            at += 1 + content[at]
        at += 1
    if content[at] == 0x2C:  # noqa: PLR2004 -- a picture
        left, top, wide, high = struct.unpack_from("<HHHH", content, at + 1)
        width, height = max(width, left + wide), max(height, top + high)
    return _claim(width, height, _GIF, _PLANES * 4)


def _webp(content: bytes) -> Claim:
    """From the canvas and the first picture of every kind."""
    at, sides = 12, (0, 0)
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        found = _webp_sides(content, at + 8, name)
        sides = max(sides, found, key=lambda two: two[0] * two[1])
        if name in {b"VP8 ", b"VP8L", b"ANMF"}:
            break
        at += 8 + length + length % 2
    if not sides[0]:
        raise ValueError("its header states no size")
    return _claim(*sides, _WEBP, _PLANES * 4 + _WEBP)


def _webp_sides(content: bytes, at: int, name: bytes) -> tuple[int, int]:
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, at + 1)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if name in {b"VP8X", b"ANMF"}:
        first = at + (4 if name == b"VP8X" else 6)
        return int.from_bytes(content[first : first + 3], "little") + 1, int.from_bytes(
            content[first + 3 : first + 6], "little"
        ) + 1
    return 0, 0


def _tiff(content: bytes) -> Claim:
    """Usually the first page counts; where every channel is kept, all of them do."""
    pages = pages_of(content)
    if any(page.entry_bytes > len(content) + (64 << 20) for page in pages):
        raise ValueError("its tags claim more than the file holds")
    first, parts = pages[0], max(page.part_bytes for page in pages)
    deep = max(page.bits for page in pages) >= 32  # noqa: PLR2004 -- bits of a floating number
    every = sum(page.width * page.height * max(page.pixel_bytes, 1) for page in pages)
    usual = first.width * first.height * (_DEEP_TIFF if deep else _PLAIN)
    return Claim(
        first.width, first.height, usual + 2 * parts, (_PLANES if len(pages) < _MANY_PAGES else 3) * every + 2 * parts
    )


def _pfm(content: bytes) -> Claim:
    """Numbers are not compressed: they have to be there."""
    found = _FLOATS.match(content)
    if found is None:
        raise ValueError("its header states no size")
    width, height, channels = int(found[2]), int(found[3]), 3 if found[1] == b"PF" else 1
    if len(content) - found.end() < 4 * channels * width * height:
        raise ValueError(f"its header claims {width} x {height} pixels, and they are not in the file")
    return _claim(width, height, _FLOATING - 12, _PLANES * 4 * 3)


def _npy(content: bytes) -> Claim:
    """Numbers are not compressed: they have to be there."""
    shape, _, dtype, begin = array_header(content)
    size = math.prod(shape) * dtype.itemsize
    if len(content) - begin < size:
        raise ValueError(
            f"is no array that can be read (its header claims a shape of {shape}, and it is not in the file)"
        )
    height, width = (*shape, 1, 1)[:2]
    return Claim(width, height, size * _PLANES, size * _PLANES)


def array_header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether the first index runs fastest, type and the place of the first value of a .npy file.

    Raises ValueError.
    """
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, turned, dtype = read(stream)
    except (
        ValueError,
        SyntaxError,
        TypeError,
        LookupError,
        RecursionError,
        MemoryError,
        EOFError,
        tokenize.TokenError,
    ):
        raise ValueError("is no array that can be read") from None
    if dtype.hasobject or dtype.itemsize == 0 or any(side < 0 for side in shape):
        raise ValueError(f"is no array that can be read (it holds no numbers but {str(dtype)[:40]})")
    return shape, turned, dtype, stream.tell()


_READERS = {
    "JPEG": _jpeg,
    "PNG": _png,
    "BMP": _bmp,
    "GIF": _gif,
    "WebP": _webp,
    "TIFF": _tiff,
    "PFM": _pfm,
    "NPY": _npy,
}
