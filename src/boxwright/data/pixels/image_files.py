# SPDX-License-Identifier: Apache-2.0
"""Image files: their upright size without decoding, whether they are sound, and their pixels.

The one place that decodes.

A file is opened only if it is a regular one, its format is decided by its content, and a decoder sees it only if that
format is one of those that are read, and what its header claims fits into memory.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from boxwright.data.pixels.claims import MAX_DECODING_BYTES, MAX_PIXELS, claim_of, objection
from boxwright.data.pixels.jpeg_size import size_of_jpeg
from boxwright.data.pixels.signatures import PictureKind, foreign_kind, picture_kind
from boxwright.data.pixels.tiff import block_bytes
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUFFIXES = frozenset((".bmp", ".dng", ".jpeg", ".jpg", ".mpo", ".png", ".tif", ".tiff", ".webp", ".pfm"))
OTHER_PICTURES = frozenset(
    (".gif", ".heic", ".heif", ".avif", ".svg", ".jp2", ".jfif", ".ico", ".psd", ".raw", ".cr2", ".nef")
)
MIN_SIDE_PX = 10
AVERAGED_TOGETHER, RESIZED_TOGETHER = 4, 128  # channels that OpenCV takes in one go
MAX_BYTES = 1 << 30  # of a picture file
ORDINARY_PIXELS = 1 << 26  # of a JPEG, up to which nothing about memory is in doubt

_SIDEWAYS = frozenset((5, 6, 7, 8))  # EXIF orientations that swap width and height
_ORIENTATION_TAG = 0x0112
_MAX_EXIF_BYTES = 64 << 20  # that the entries of an EXIF block may claim together
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_BAND_PIXELS = 1 << 20  # of a picture that are brought to RGB at once
_BANDED = 7  # bytes of memory per pixel: Pillow's picture, and ours
_CONVERT = "Convert it to PNG or JPEG"
_LARGE_BYTES = 1 << 28  # to decode; pictures that take more wait for each other
_LARGE = threading.Lock()
_OPENERS: dict[str, Callable[[io.BytesIO], Image.Image]] = {
    "JPEG": JpegImagePlugin.jpeg_factory,  # of an MPO the first picture
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WebP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}
# What Pillow raises for files that are not as they should be, found by damaging them.
_FAULTS = (
    *(
        OSError,
        ValueError,
        SyntaxError,
        ArithmeticError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        RuntimeError,
        EOFError,
    ),
    *(struct.error, zlib.error, MemoryError, Image.DecompressionBombError),
)


class BrokenImageError(Exception):
    """Why an image cannot be used, in a few words, and what to do about it where that is known."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.remedy = remedy


class Header(NamedTuple):
    """What is known without decoding: upright size and format."""

    size_wh: tuple[int, int]
    kind: str


def inspect(path: str) -> Header:
    """Check a file as far as its format allows without decoding, and more where doubt remains.

    Raises BrokenImageError.
    """
    size_wh = size_of_jpeg(path)
    if size_wh is not None and size_wh[0] * size_wh[1] <= ORDINARY_PIXELS:
        _require_sides(size_wh)
        return Header(size_wh, "JPEG")
    content = read_content(path)
    kind = require_picture(content)
    header = Header(size_wh, "JPEG") if size_wh is not None else _header(content, kind)
    _require_sides(header.size_wh)
    if kind != "JPEG" or not content.rstrip(b"\0").endswith(_JPEG_END):
        _decode_fully(content)
    return header


def _require_sides(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if min(width, height) < MIN_SIDE_PX:
        raise BrokenImageError(f"{width} x {height} pixels, under the {MIN_SIDE_PX} that a side needs")
    if width * height > MAX_PIXELS:
        raise BrokenImageError(f"its header claims {width} x {height} pixels, over the limit of {MAX_PIXELS:,}")


def read_content(path: str) -> bytes:
    """The bytes of a picture file.

    Raises BrokenImageError: for what is no regular file, is empty or too large as well.
    """
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise BrokenImageError((error.strerror or str(error)).lower().replace("gib", "GiB")) from None
    except MemoryError:
        raise BrokenImageError("there is not enough memory to read it") from None
    if not content:
        raise BrokenImageError("the file is empty")
    return content


def require_picture(content: bytes, *, every_channel: bool = False) -> PictureKind:
    """The format of a picture that may be decoded; with `every_channel`, with every channel kept.

    Raises BrokenImageError for all else.
    """
    kind = picture_kind(content)
    if kind is None or (kind == "NPY" and not every_channel):
        what = "an array of NumPy" if kind else foreign_kind(content)
        if what is None:
            raise BrokenImageError("not an image of a known format")
        raise BrokenImageError(f"is {what}, not a picture this program reads", _CONVERT)
    against = objection(content, kind, every_channel=every_channel, most_pixels=MAX_PIXELS)
    if against:
        raise BrokenImageError(against)
    return kind


def _header(content: bytes, kind: PictureKind) -> Header:
    if kind == "PFM":
        claim = claim_of(content, kind)
        return Header((claim.width, claim.height), kind)
    try:
        with _opened(content, kind) as picture:
            width, height = _size_as_stored(picture)
            return Header((height, width) if _orientation(picture) in _SIDEWAYS else (width, height), kind)
    except UnidentifiedImageError:
        return Header(_size_by_decoding(content), kind)
    except _FAULTS as error:
        raise BrokenImageError(_words(error)) from None


@contextlib.contextmanager
def _opened(content: bytes, kind: PictureKind) -> Iterator[Image.Image]:
    """A file as Pillow's picture of this format and no other.

    Raises UnidentifiedImageError for variants that Pillow does not know, or another of _FAULTS.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd metadata is not the user's concern here
        try:
            picture = _OPENERS[kind](io.BytesIO(content))
        except (SyntaxError, KeyError) as error:
            raise UnidentifiedImageError(str(error)) from None
        with picture:
            yield picture


def _size_as_stored(picture: Image.Image) -> tuple[int, int]:
    """Width and height before any turn. Of a TIFF, and of no other format, Pillow tells the size after it."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return int(picture.tag_v2[TiffImagePlugin.IMAGEWIDTH]), int(picture.tag_v2[TiffImagePlugin.IMAGELENGTH])
    return picture.size


def _orientation(picture: Image.Image) -> int:
    """The EXIF orientation, 1 where none is stated.

    Raises ValueError for a block whose entries would not fit into memory.
    """
    block = picture.info.get("exif") or b""
    profile = picture.info.get("Raw profile type exif")
    if not block and isinstance(profile, str):
        block = bytes.fromhex("".join(profile.split("\n")[3:]))  # as ImageMagick writes it
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    if block_bytes(block) > _MAX_EXIF_BYTES:
        raise ValueError("its EXIF block claims far more than it holds")
    found = picture.getexif().get(_ORIENTATION_TAG, 1)
    return found if isinstance(found, int) else 1


def _size_by_decoding(content: bytes) -> tuple[int, int]:
    """For the variants of a format that only OpenCV knows."""
    pixels = _opencv(content)
    if pixels is None:
        raise BrokenImageError("not an image of a known format")
    return pixels.shape[1], pixels.shape[0]


def _decode_fully(content: bytes) -> None:
    """The last word on files whose end or checksums are in doubt. Raises BrokenImageError."""
    kind = require_picture(content)
    if kind in {"PFM", "WebP"}:  # Pillow takes four times the memory for the one, and does not know all of the other
        if _opencv(content) is None:
            raise BrokenImageError("its pixels cannot be decoded")
        return
    try:
        with decoded_in_turn(content, kind), _opened(content, kind) as picture:
            _require_memory(picture, kind)
            picture.load()
    except UnidentifiedImageError:
        return  # decoded by OpenCV above
    except _FAULTS as error:
        if not _lacks_only_its_end(content):
            raise BrokenImageError(_words(error)) from None


def _require_memory(picture: Image.Image, kind: PictureKind) -> None:
    """What a decoder sees in the header counts, should it be another size than was read there. Raises ValueError."""
    width, height = picture.size
    bytes_per_px = 19 if kind == "WebP" else _BANDED  # of a film it keeps two pictures more
    if width * height * bytes_per_px > MAX_DECODING_BYTES:
        raise ValueError(f"{width} x {height} pixels take too much memory to decode")


@contextlib.contextmanager
def decoded_in_turn(content: bytes, kind: PictureKind) -> Iterator[None]:
    """Large pictures are decoded one after the other, however many threads there are."""
    large = len(content) > _LARGE_BYTES or claim_of(content, kind).usual_bytes > _LARGE_BYTES
    with _LARGE if large else contextlib.nullcontext():
        yield


def _lacks_only_its_end(content: bytes) -> bool:
    """Whether a JPEG without its end marker holds all its data: then more data before the marker changes nothing."""
    if not content.startswith(_JPEG_START):
        return False
    try:
        return _digest(content + _JPEG_END) == _digest(content + b"\x55" * 64 + _JPEG_END)
    except BrokenImageError:
        return False


def _digest(content: bytes) -> bytes:
    """A short name for the pixels, without setting memory aside for them twice. Raises BrokenImageError."""
    found = hashlib.sha256()
    with _loaded(content) as picture:
        for _, band in _bands(picture):
            found.update(np.ascontiguousarray(band).data)
    return found.digest()


@contextlib.contextmanager
def _loaded(content: bytes) -> Iterator[Image.Image]:
    """A decoded picture of Pillow's. Raises BrokenImageError."""
    kind = require_picture(content)
    try:
        with _opened(content, kind) as picture:
            _require_memory(picture, kind)
            picture.load()  # which turns a TIFF, and takes its tag away
            yield picture
    except UnidentifiedImageError:
        raise BrokenImageError("not an image of a known format") from None
    except _FAULTS as error:
        raise BrokenImageError(_words(error)) from None


def _bands(picture: Image.Image) -> Iterator[tuple[int, np.ndarray]]:
    """A decoded picture as RGB, a few rows at a time: (h, W, 3) uint8 each, and the first row's number."""
    rows = max(_BAND_PIXELS // max(picture.width, 1), 1)
    for top in range(0, picture.height, rows):
        band = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        yield top, np.asarray(band.convert("RGB"))


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def require_whole(path: str) -> None:
    """Refuse a JPEG that ends in the middle: decoders would fill the rest with grey. Raises BrokenImageError."""
    content = read_content(path)
    if content.startswith(_JPEG_START) and not content.rstrip(b"\0").endswith(_JPEG_END):
        _decode_fully(content)


def read_bgr(path: str) -> np.ndarray:
    """The upright pixels as 8-bit BGR. (H, W, 3) uint8. Raises BrokenImageError."""
    content = read_content(path)
    kind = require_picture(content)
    if kind == "JPEG" and not content.endswith(_JPEG_END):
        content += _JPEG_END  # decoders want it; after the end of the data another one does no harm
    with decoded_in_turn(content, kind):
        pixels = _opencv(content)
        return _pillow(content) if pixels is None else pixels


def read_rgb(path: str) -> np.ndarray:
    """The upright pixels as 8-bit RGB. (H, W, 3) uint8. Raises BrokenImageError."""
    pixels = read_bgr(path)
    rows = max(_BAND_PIXELS // max(pixels.shape[1], 1), 1)
    for top in range(0, len(pixels), rows):  # in place: a second picture of this size may not fit
        pixels[top : top + rows] = pixels[top : top + rows, :, ::-1].copy()
    return pixels


def _opencv(content: bytes) -> np.ndarray | None:
    """OpenCV turns by EXIF, brings 16 bits to 8, and drops alpha. Of floating numbers, 1 is full brightness."""
    depth = cv2.IMREAD_ANYDEPTH if picture_kind(content) == "PFM" else 0  # else it would cut 0.9 to 0
    try:
        pixels: Any = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | depth)
    except cv2.error:
        return None
    if pixels is None:
        return None
    return pixels if pixels.dtype == np.uint8 else _eight_bit(pixels)


def _eight_bit(pixels: np.ndarray) -> np.ndarray:
    """Shares of full brightness as 8 bits, a band at a time. (H, W, 3) float32 -> (H, W, 3) uint8"""
    found = np.empty(pixels.shape, np.uint8)
    rows = max(_BAND_PIXELS // pixels.shape[1], 1)
    for top in range(0, len(pixels), rows):
        found[top : top + rows] = np.rint(np.nan_to_num(pixels[top : top + rows]).clip(0, 1) * 255)
    return found


def _pillow(content: bytes) -> np.ndarray:
    """What OpenCV cannot read."""
    with _loaded(content) as picture:
        turn = _TURNS.get(_orientation(picture))
        pixels = np.empty((picture.height, picture.width, 3), np.uint8)
        for top, band in _bands(picture):
            pixels[top : top + len(band)] = band[..., ::-1]
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


def resized(image: np.ndarray, size_hw: tuple[int, int], *, smooth: bool) -> np.ndarray:
    """Another size: `smooth` averages over areas when shrinking, for validation; else bilinear.

    (H, W, C) -> (H', W', C), without C where it is 1
    """
    if image.shape[:2] == size_hw:
        return image
    averages = smooth and size_hw[0] < image.shape[0]
    interpolation, together = (cv2.INTER_AREA, AVERAGED_TOGETHER) if averages else (cv2.INTER_LINEAR, RESIZED_TOGETHER)
    if image.ndim == 3 and image.shape[2] > together:  # noqa: PLR2004 -- height, width, channels
        parts = [image[..., first : first + together] for first in range(0, image.shape[2], together)]
        return np.concatenate(
            [
                cv2.resize(np.ascontiguousarray(part), size_hw[::-1], interpolation=interpolation).reshape(*size_hw, -1)
                for part in parts
            ],
            axis=2,
        )
    result: np.ndarray = cv2.resize(image, size_hw[::-1], interpolation=interpolation)
    return result
