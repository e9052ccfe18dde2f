# SPDX-License-Identifier: Apache-2.0
"""Images as programs hold them, as pixels for a network: files, arrays, tensors and PIL images.

What an image could mean in two ways is refused, not guessed.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps

from boxwright.data.pixels.channels import RGB, RGBA, Kind, of_picture, read_pixels
from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.errors import DataError

GivenImage: TypeAlias = str | os.PathLike[str] | np.ndarray | torch.Tensor | Image.Image

MIN_SIDE_PX = 2  # as for files to predict on
EIGHT_BITS = 255
PALETTES = {"P", "PA", "1"}  # modes of PIL whose numbers are no brightness
DEEP = ("I;16", "I;16L", "I;16B", "I;16N")  # modes of PIL with 16 bits
BRIGHTNESS = {"L", "LA", "RGB", "RGBA"}  # modes whose numbers are
# PIL reads the file of an image when its pixels are first asked for: it may be cut short, or not be there any more.
UNREADABLE = (OSError, ValueError, SyntaxError, TypeError, LookupError, EOFError, struct.error)
PATH_REMEDY = "Give a path, an array (H, W, 3), a tensor (3, H, W) or a PIL image"


def require_images(given: object) -> tuple[list[GivenImage], bool]:
    """The images of one argument, and whether it was a list of them. Raises DataError for what is no image."""
    many = isinstance(given, list | tuple)
    images: list[GivenImage] = []
    for number, image in enumerate(given if isinstance(given, list | tuple) else [given]):
        if not isinstance(image, str | os.PathLike | np.ndarray | torch.Tensor | Image.Image):
            what = "None" if image is None else f"of type {type(image).__name__}"
            raise DataError(place(number, many=many), f"is {what}, which is no image", PATH_REMEDY)
        images.append(image)
    if not images:
        raise DataError("argument images", "the list is empty", "Give at least one image")
    return images, many


def place(number: int, *, many: bool) -> str:
    """What to call an image in a message."""
    return f"argument images[{number}]" if many else "argument images"


def pixels_of(image: GivenImage, kind: Kind, where: str) -> np.ndarray:
    """Any image as pixels of this kind. (H, W, C). Raises DataError that names the argument or the file."""
    try:
        if isinstance(image, str | os.PathLike):
            where, remedy = os.fspath(image), "Give an image that can be opened"
            return _large_enough(read_pixels(where, kind))
        remedy = _remedy(kind)
        return _large_enough(_of_kind(_array(image, kind), kind))
    except BrokenImageError as error:
        raise DataError(where, str(error), error.remedy or remedy) from None


def _large_enough(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise BrokenImageError(f"{width} x {height} pixels hold nothing")
    return pixels


def path_of(image: GivenImage) -> str:
    """The file that an image is read from; '' when it is none."""
    return str(Path(image)) if isinstance(image, str | os.PathLike) else ""


def _remedy(kind: Kind) -> str:
    form = f"(H, W, {kind.channels}){' RGB' if kind.usual else ''}"
    return f"Give {form} of {'8' if kind.usual else '8 or 16'} bits or shares from 0 to 1, or a tensor channels first"


def _array(image: np.ndarray | torch.Tensor | Image.Image, kind: Kind) -> np.ndarray:
    """As an array of one, two or three axes, channels last. Raises BrokenImageError."""
    if isinstance(image, Image.Image):
        found = _of_pil(image)
    elif isinstance(image, torch.Tensor):
        found = _of_tensor(image, kind)
    else:
        found = image
    if found.ndim == 2:  # noqa: PLR2004 -- grey
        found = found[..., None]
    usable = {1, RGB, RGBA} if kind.usual else None
    if found.ndim != 3 or not found.size or (usable and found.shape[2] not in usable):  # noqa: PLR2004 -- height, width, channels
        raise BrokenImageError(f"an array of shape {tuple(found.shape)} is no picture")
    return found


def _of_pil(image: Image.Image) -> np.ndarray:
    """Upright, as a file of it would be read. (H, W) or (H, W, C)"""
    try:
        upright = ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise BrokenImageError(f"cannot be read ({error})") from None
    if upright.mode in DEEP:
        return np.asarray(upright, np.uint16)
    if upright.mode not in BRIGHTNESS:
        if upright.mode not in PALETTES | {"CMYK", "YCbCr", "HSV", "LAB"}:
            raise BrokenImageError(f"is a PIL image of mode {upright.mode}, whose range of values is not known")
        upright = upright.convert("RGB")
    return np.asarray(upright.convert("L") if upright.mode == "LA" else upright)


def _of_tensor(image: torch.Tensor, kind: Kind) -> np.ndarray:
    """Channels first, or last where only that can be meant."""
    found = image.detach().cpu()
    found = found.float() if found.is_floating_point() else found
    first = found.dim() == 3 and (not kind.usual or found.shape[0] in {1, RGB, RGBA})  # noqa: PLR2004 -- channels, height, width
    array: np.ndarray = (found.permute(1, 2, 0) if first else found).numpy()
    return array


def _of_kind(found: np.ndarray, kind: Kind) -> np.ndarray:
    """With the channels and the depth that the network takes. Raises BrokenImageError."""
    if found.dtype == np.uint16 and kind.depth == "uint8" and 0 < int(found.max()) <= EIGHT_BITS:
        raise BrokenImageError("holds 16-bit numbers, none of them over 255: as 16 bits it would be black")
    if np.issubdtype(found.dtype, np.floating):
        if not np.isfinite(found).all():
            raise BrokenImageError("holds values that are not finite")
        if found.min() < 0 or found.max() > 1:
            low, high = float(found.min()), float(found.max())
            raise BrokenImageError(f"holds numbers from {low:g} to {high:g}, and fractions are taken from 0 to 1")
        found = found.astype(np.float32)
    if kind.usual and found.shape[2] == 1:
        found = np.repeat(found, RGB, axis=2)
    return of_picture(found, kind)
