# SPDX-License-Identifier: Apache-2.0
"""Images of any number of channels and of 8 or 16 bits, their values kept.

Arrays in .npy files, pages of a TIFF, ordinary pictures.

Channels come in the order of the file; red, green, blue where it is a colour picture. C channels.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from boxwright.data.pixels.claims import array_header
from boxwright.data.pixels.image_files import (
    MIN_SIDE_PX,
    BrokenImageError,
    decoded_in_turn,
    read_content,
    read_rgb,
    require_picture,
)
from boxwright.data.pixels.signatures import PictureKind
from boxwright.structures.pixels import visible

RGB, RGBA = 3, 4
WIDER = 257  # 255 * 257 = 65535: from 8 bits to 16 and back
LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in brightness, as in ITU-R BT.601


class Kind(NamedTuple):
    """What pixels a data set has."""

    channels: int = RGB
    depth: Literal["uint8", "uint16"] = "uint8"

    @property
    def usual(self) -> bool:
        """Whether these are ordinary colour pictures."""
        return self.channels == RGB and self.depth == "uint8"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a value."""
        return np.dtype(np.uint8 if self.depth == "uint8" else np.uint16)

    @property
    def full_scale(self) -> int:
        """The largest value."""
        return 255 if self.depth == "uint8" else 65535


USUAL = Kind()


def inspect_channels(path: str, kind: Kind) -> tuple[int, int]:
    """Width and height of a file that holds what is expected. Raises BrokenImageError."""
    height, width = read_channels(path, kind).shape[:2]
    if min(width, height) < MIN_SIDE_PX:
        raise BrokenImageError(f"{width} x {height} pixels, under the {MIN_SIDE_PX} that a side needs")
    return width, height


def read_channels(path: str, kind: Kind) -> np.ndarray:
    """All channels. (H, W, C) uint8 or uint16. Raises BrokenImageError."""
    content = read_content(path)
    found = require_picture(content, every_channel=True)
    with decoded_in_turn(content, found):
        return (
            _of_kind(_array(content, kind.channels), kind)
            if found == "NPY"
            else of_picture(_picture(content, found, kind.channels), kind)
        )


def read_pixels(path: str, kind: Kind) -> np.ndarray:
    """The upright pixels of a file of any kind. (H, W, C), RGB where C is 3. Raises BrokenImageError."""
    return read_rgb(path) if kind.usual else read_channels(path, kind)


def read_visible(path: str, kind: Kind) -> np.ndarray:
    """The same for eyes. (H, W, 3) uint8. Raises BrokenImageError."""
    return for_eyes(read_pixels(path, kind))


def for_eyes(pixels: np.ndarray) -> np.ndarray:
    """Pixels of any kind as a colour picture of 8 bits. (H, W, C) -> (H, W, 3) uint8"""
    return np.ascontiguousarray(visible(pixels.transpose(2, 0, 1)).transpose(1, 2, 0))


def of_picture(found: np.ndarray, kind: Kind) -> np.ndarray:
    """A picture as one of this kind, (H, W, C).

    Its brightness where one channel is wanted, without alpha where that is not. Raises BrokenImageError.
    """
    if kind.channels == 1 and found.shape[2] in {RGB, RGBA}:
        found = np.rint(found[..., :RGB] @ np.array(LUMA)).astype(found.dtype)[..., None]
    return _of_kind(found[..., :RGB] if found.shape[2] == RGBA and kind.channels == RGB else found, kind)


def _of_kind(found: np.ndarray, kind: Kind) -> np.ndarray:
    if found.shape[2] != kind.channels:
        raise BrokenImageError(f"has {found.shape[2]} channels where {kind.channels} are wanted")
    return np.ascontiguousarray(_in_depth(found, kind))


def _array(content: bytes, channels: int) -> np.ndarray:
    """The numbers of a .npy file. (H, W, C)"""
    try:
        shape, turned, dtype, begin = array_header(content)
        flat = np.frombuffer(content, dtype, math.prod(shape), begin).copy()
        found = flat.reshape(shape[::-1]).transpose() if turned else flat.reshape(shape)
    except (ValueError, TypeError) as error:
        raise BrokenImageError(f"is no array that can be read ({str(error).splitlines()[0][:80]})") from None
    if found.ndim == 2:  # noqa: PLR2004 -- height and width
        found = found[..., None]
    if found.ndim != 3:  # noqa: PLR2004 -- and channels
        raise BrokenImageError(f"is an array of shape {found.shape}, not height, width and channels")
    first_is_channels = found.shape[0] == channels and found.shape[2] != channels
    return found.transpose(1, 2, 0) if first_is_channels else found


def _picture(content: bytes, kind: PictureKind, channels: int) -> np.ndarray:
    pages = _pages(content, kind, channels)
    if any(page.shape[:2] != pages[0].shape[:2] for page in pages):
        raise BrokenImageError("its pages have different sizes")
    ordered = [_in_file_order(page) for page in pages]
    return ordered[0] if len(ordered) == 1 else np.concatenate(ordered, axis=2)


def _pages(content: bytes, kind: PictureKind, channels: int) -> list[np.ndarray]:
    buffer = np.frombuffer(content, np.uint8)
    try:
        if kind == "TIFF":
            done, pages = cv2.imdecodemulti(buffer, cv2.IMREAD_UNCHANGED)
            if done and pages:
                return list(pages)
        flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH if channels == 1 else cv2.IMREAD_UNCHANGED
        page = cv2.imdecode(buffer, flags)
    except cv2.error:
        page = None
    if page is None:
        raise BrokenImageError("not an image of a known format")
    return [page]


def _in_file_order(page: np.ndarray) -> np.ndarray:
    """OpenCV hands out blue first; alpha stays last. (H, W) or (H, W, C) -> (H, W, C)"""
    if page.ndim == 2:  # noqa: PLR2004 -- one channel
        return page[..., None]
    if page.shape[2] in {RGB, RGBA}:
        return np.concatenate((page[..., 2::-1], page[..., 3:]), axis=2)
    return page


def _in_depth(found: np.ndarray, kind: Kind) -> np.ndarray:
    """The same picture with values of the asked type.

    8 and 16 bits are scaled into each other, shares of one to full.
    """
    if found.dtype == kind.dtype:
        return found
    if found.dtype == np.uint8:
        wider: np.ndarray = found.astype(np.uint16) * np.uint16(WIDER)
        return wider
    if found.dtype == np.uint16:
        narrower: np.ndarray = (found // WIDER).astype(np.uint8)
        return narrower
    if (
        np.issubdtype(found.dtype, np.floating)
        and np.isfinite(found).all()
        and found.size
        and found.min() >= 0
        and found.max() <= 1
    ):
        scaled: np.ndarray = np.rint(found * kind.full_scale).astype(kind.dtype)
        return scaled
    raise BrokenImageError(
        f"holds values of type {found.dtype}; whole numbers of 8 or 16 bits, or shares from 0 to 1, can be used"
    )
