# SPDX-License-Identifier: Apache-2.0
"""The size of a JPEG from its ends, against a reader of the whole file."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boxwright.data.pixels import image_files as images
from boxwright.data.pixels.image_files import BrokenImageError, inspect
from boxwright.data.pixels.jpeg_size import HEAD_BYTES, size_of_jpeg
from tests.support.datasets import picture

WIDTH, HEIGHT = 75, 50
ORIENTATION = 0x0112


def jpeg(mode: str = "RGB", **more) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(3, (WIDTH, HEIGHT))[0]).convert(mode).save(buffer, "JPEG", **more)
    return buffer.getvalue()


def size_of(content: bytes) -> tuple[int, int] | None:
    Path("one.jpg").write_bytes(content)
    return size_of_jpeg("one.jpg")


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"progressive": True},
        {"quality": 5},
        {"comment": b"words"},
        {"mode": "L"},
        {"mode": "CMYK"},
        {"icc_profile": b"x" * 900},
    ],
)
def test_ordinary_files_are_known_by_their_ends(more):
    assert size_of(jpeg(**more)) == (WIDTH, HEIGHT)
    assert size_of(jpeg(**more) + b"\0" * 20) == (WIDTH, HEIGHT)


def exif(order: str, orientation: int) -> bytes:
    """An EXIF block in one of both orders of bytes, with the entry before a long one."""
    entries = struct.pack(f"{order}HHHIHHHHII", 2, 0x0112, 3, 1, orientation, 0, 0x011A, 5, 1, 38) + struct.pack(
        f"{order}III", 0, 72, 1
    )
    return b"Exif\0\0" + {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8) + entries


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_honoured(orientation, order):
    expected = (HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT)
    assert size_of(jpeg(exif=exif(order, orientation))) == expected
    with Image.open("one.jpg") as full:
        assert full.getexif()[ORIENTATION] == orientation


def test_what_is_unusual_is_left_to_the_full_reader():
    whole = jpeg()
    assert size_of(whole[:-2]) is None, "no end marker"
    assert size_of(whole[: len(whole) // 2]) is None, "half of it"
    assert size_of(b"") is None
    assert size_of(b"\xff\xd8\xff\xd9") is None
    assert size_of(b"\x89PNG" + whole[4:]) is None
    long_header = jpeg(comment=b"x" * HEAD_BYTES)
    assert size_of(long_header) is None, "the frame lies behind what is read"
    assert inspect("one.jpg").size_wh == (WIDTH, HEIGHT)
    assert size_of_jpeg("nowhere.jpg") is None
    assert size_of_jpeg(".") is None


def test_a_long_file_is_judged_by_its_very_end():
    grain = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grain).save(buffer, "JPEG", quality=95)
    content = buffer.getvalue()
    assert len(content) > 2 * HEAD_BYTES
    assert size_of(content) == (300, 300)
    assert size_of(content[:-2] + b"zz") is None


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_header_is_never_read_otherwise_than_by_the_full_reader(seed):
    draw = np.random.default_rng([41, seed])
    content = jpeg(exif=exif("<", 6))
    header = content.index(b"\xff\xda")
    known = refused = 0
    for _ in range(400):
        damaged = bytearray(content)
        for at in draw.integers(0, header, int(draw.integers(1, 4))):
            damaged[at] = draw.integers(256)
        found = size_of(bytes(damaged))
        if found is not None:
            known += 1
            try:
                assert images._header(bytes(damaged), "JPEG").size_wh == found
            except BrokenImageError:
                refused += 1  # the damage is in what only decoding needs
    assert known > 50
    assert refused < known / 4
