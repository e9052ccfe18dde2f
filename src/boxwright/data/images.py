# SPDX-License-Identifier: Apache-2.0
"""Image files: their upright size without decoding, whether they are sound, and their pixels. The one place that decodes."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from boxwright.data.jpeg import size_of_jpeg

SUFFIXES = frozenset((".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm"))
OTHER_PICTURES = frozenset((".gif", ".heic", ".heif", ".avif", ".svg", ".jp2", ".jfif", ".ico", ".psd", ".raw", ".cr2", ".nef"))
MIN_SIDE_PX = 10
AVERAGED_TOGETHER, RESIZED_TOGETHER = 4, 128  # channels that OpenCV takes in one go
MAX_PIXELS = 1 << 28  # 16384 x 16384: what a header may claim before memory is set aside

_SIDEWAYS = frozenset((5, 6, 7, 8))  # EXIF orientations that swap width and height
_ORIENTATION_TAG = 0x0112
_FLOATING = (b"PF", b"Pf")  # portable float maps
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


class BrokenImageError(Exception):
    """Why an image cannot be used, in a few words."""


class Header(NamedTuple):
    """What is known without decoding: upright size and format."""

    size_wh: tuple[int, int]
    kind: str


def inspect(path: str) -> Header:
    """Check a file as far as its format allows without decoding, and more where doubt remains. Raises BrokenImageError."""
    size_wh = size_of_jpeg(path)
    content = b"" if size_wh is not None else _read(path)
    header = _header(content) if size_wh is None else Header(size_wh, "JPEG")
    width, height = header.size_wh
    if min(width, height) < MIN_SIDE_PX:
        raise BrokenImageError(f"{width} x {height} pixels, under the {MIN_SIDE_PX} that a side needs")
    if width * height > MAX_PIXELS:
        raise BrokenImageError(f"its header claims {width} x {height} pixels, over the limit of {MAX_PIXELS:,}")
    if size_wh is None and (header.kind not in {"JPEG", "MPO"} or not content.rstrip(b"\0").endswith(_JPEG_END)):
        _decode_fully(content)
    return header


def _read(path: str) -> bytes:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise BrokenImageError((error.strerror or str(error)).lower()) from None
    if not content:
        raise BrokenImageError("the file is empty")
    return content


def _header(content: bytes) -> Header:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd metadata is not the user's concern here
            with Image.open(io.BytesIO(content)) as picture:
                width, height = _size_as_stored(picture)
                sideways = picture.getexif().get(_ORIENTATION_TAG) in _SIDEWAYS
                return Header((height, width) if sideways else (width, height), picture.format or "")
    except UnidentifiedImageError:
        size = _size_by_decoding(content)
        return Header(size, "other")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BrokenImageError(_words(error)) from None


def _size_as_stored(picture: Image.Image) -> tuple[int, int]:
    """Width and height before any turn. Of a TIFF, and of no other format, Pillow tells the size after it."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return int(picture.tag_v2[TiffImagePlugin.IMAGEWIDTH]), int(picture.tag_v2[TiffImagePlugin.IMAGELENGTH])
    return picture.size


def _size_by_decoding(content: bytes) -> tuple[int, int]:
    """For the formats that only OpenCV knows."""
    pixels = _opencv(content)
    if pixels is None:
        raise BrokenImageError("not an image of a known format")
    return pixels.shape[1], pixels.shape[0]


def _decode_fully(content: bytes) -> None:
    """The last word on files whose end or checksums are in doubt."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as picture:
                picture.load()
    except UnidentifiedImageError:
        return  # decoded by OpenCV above
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        if not _lacks_only_its_end(content):
            raise BrokenImageError(_words(error)) from None


def _lacks_only_its_end(content: bytes) -> bool:
    """Whether a JPEG without its end marker holds all its data: then more data before the marker changes nothing."""
    if not content.startswith(_JPEG_START):
        return False
    try:
        return np.array_equal(_pillow(content + _JPEG_END), _pillow(content + b"\x55" * 64 + _JPEG_END))
    except BrokenImageError:
        return False


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def require_whole(path: str) -> None:
    """Refuse a JPEG that ends in the middle: decoders would fill the rest with grey. Raises BrokenImageError."""
    content = _read(path)
    if content.startswith(_JPEG_START) and not content.rstrip(b"\0").endswith(_JPEG_END):
        _decode_fully(content)


def read_bgr(path: str) -> np.ndarray:
    """The upright pixels as 8-bit BGR. (H, W, 3) uint8. Raises BrokenImageError."""
    content = _read(path)
    if content.startswith(_JPEG_START) and not content.endswith(_JPEG_END):
        content += _JPEG_END  # decoders want it; after the end of the data another one does no harm
    pixels = _opencv(content)
    return _pillow(content) if pixels is None else pixels


def read_rgb(path: str) -> np.ndarray:
    """The upright pixels as 8-bit RGB. (H, W, 3) uint8. Raises BrokenImageError."""
    return np.ascontiguousarray(read_bgr(path)[..., ::-1])


def _opencv(content: bytes) -> np.ndarray | None:
    """OpenCV turns by EXIF, brings 16 bits to 8, and drops alpha. Of floating numbers, 1 is full brightness."""
    depth = cv2.IMREAD_ANYDEPTH if content.startswith(_FLOATING) else 0  # else it would cut 0.9 to 0
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | depth)
    except cv2.error:
        return None
    if pixels is None:
        return None
    eight_bit: np.ndarray = pixels if pixels.dtype == np.uint8 else np.rint(np.nan_to_num(pixels).clip(0, 1) * 255).astype(np.uint8)
    return eight_bit


def _pillow(content: bytes) -> np.ndarray:
    """What OpenCV cannot read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as picture:
                upright = _upright(picture)
                return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[..., ::-1])
    except UnidentifiedImageError:
        raise BrokenImageError("not an image of a known format") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BrokenImageError(_words(error)) from None


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()  # which turns a TIFF, and takes its tag away
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    turn = turns.get(picture.getexif().get(_ORIENTATION_TAG, 1))
    return picture if turn is None else picture.transpose(turn)


def resized(image: np.ndarray, size_hw: tuple[int, int], *, smooth: bool) -> np.ndarray:
    """Another size: `smooth` averages over areas when shrinking, for validation; else bilinear. (H, W, C) -> (H', W', C), without C where it is 1"""
    if image.shape[:2] == size_hw:
        return image
    averages = smooth and size_hw[0] < image.shape[0]
    interpolation, together = (cv2.INTER_AREA, AVERAGED_TOGETHER) if averages else (cv2.INTER_LINEAR, RESIZED_TOGETHER)
    if image.ndim == 3 and image.shape[2] > together:  # noqa: PLR2004 -- height, width, channels
        parts = [image[..., first : first + together] for first in range(0, image.shape[2], together)]
        return np.concatenate(
            [cv2.resize(np.ascontiguousarray(part), size_hw[::-1], interpolation=interpolation).reshape(*size_hw, -1) for part in parts], axis=2
        )
    result: np.ndarray = cv2.resize(image, size_hw[::-1], interpolation=interpolation)
    return result
