# SPDX-License-Identifier: Apache-2.0
"""Text on pixels: any text at all, in one font that comes with a dependency (DejaVu Sans.

Latin, Cyrillic, Greek and more).
"""

from __future__ import annotations

import bisect
import functools
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from boxwright.drawing.palette import Colour, readable_on
from boxwright.errors import printable

ELLIPSIS = "…"
MIN_LETTERS = 3  # fewer letters of a name say nothing
MIN_TEXT_PX = 8  # below, letters of this font are no longer told apart
MAX_CHARACTERS = 400  # no picture is wider; and the font engine refuses texts without end


@functools.cache
def _font_path() -> Path:
    import matplotlib as mpl  # noqa: PLC0415 -- only for the place of its fonts, and only when the first text is drawn

    return Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@functools.cache
def _characters() -> frozenset[int]:
    """The code points that the font can draw."""
    from matplotlib.ft2font import FT2Font  # noqa: PLC0415 -- as above

    return frozenset(FT2Font(str(_font_path())).get_charmap())


@functools.lru_cache(maxsize=64)
def _font(size_px: int) -> ImageFont.FreeTypeFont:
    # The basic layout is part of every build of Pillow; the other one is not, and would set the same text differently.
    return ImageFont.truetype(str(_font_path()), size_px, layout_engine=ImageFont.Layout.BASIC)


def legible(text: str) -> str:
    """The text as it can be drawn.

    Control characters and letters that the font lacks become escapes, so that names stay distinct.
    """
    clear = printable(text[:MAX_CHARACTERS])
    return "".join(c if ord(c) in _characters() else c.encode("unicode_escape").decode("ascii") for c in clear)[
        :MAX_CHARACTERS
    ]


def text_width(text: str, size_px: int) -> int:
    """Width in pixels of a legible text."""
    left, _, right, _ = _font(size_px).getbbox(text)
    return math.ceil(right) - min(math.floor(left), 0)


def text_height(size_px: int) -> int:
    """Height in pixels of a line, the same for every text."""
    ascent, descent = _font(size_px).getmetrics()
    return ascent + descent


def shortened(text: str, size_px: int, width_px: int) -> str:
    """The text as it can be drawn, with an ellipsis where it would be wider than this; '' where not even that fits.

    A short last word, such as a score, stays as long as some letters of the rest do.
    """
    text = legible(text)
    if text_width(text, size_px) <= width_px:
        return text
    head, space, tail = text.rpartition(" ")
    if space and len(tail) <= len("0.00"):
        kept = _fitting(head, f"{ELLIPSIS}{space}{tail}", size_px, width_px)
        if kept >= MIN_LETTERS:
            return head[:kept].rstrip() + f"{ELLIPSIS}{space}{tail}"
    kept = _fitting(text, ELLIPSIS, size_px, width_px)
    return text[:kept].rstrip() + ELLIPSIS if kept > 0 else ""


def shortened_start(text: str, size_px: int, width_px: int) -> str:
    """As `shortened`, for paths: the end stays."""
    text = legible(text[-MAX_CHARACTERS:])
    if text_width(text, size_px) <= width_px:
        return text
    kept = _fitting(text[::-1], ELLIPSIS, size_px, width_px)
    return ELLIPSIS + text[-kept:].lstrip() if kept > 0 else ""


def _fitting(text: str, end: str, size_px: int, width_px: int) -> int:
    """How many letters fit before this end; -1 where not even the end does."""
    return bisect.bisect_right(range(len(text)), width_px, key=lambda kept: text_width(text[:kept] + end, size_px)) - 1


def write(image_rgb: np.ndarray, text: str, corner_xy: tuple[int, int], size_px: int, ink: Colour) -> None:
    """Draw a legible line of text into the image itself, its upper left corner here; what lies outside is left out."""
    mask = _mask(text, size_px)
    (x, y), (height, width) = corner_xy, image_rgb.shape[:2]
    top, left, bottom, right = max(y, 0), max(x, 0), min(y + mask.shape[0], height), min(x + mask.shape[1], width)
    if top >= bottom or left >= right:
        return
    cover = mask[top - y : bottom - y, left - x : right - x, None].astype(np.uint16)
    area = image_rgb[top:bottom, left:right]
    area[:] = (area * (255 - cover) + np.array(ink, np.uint16) * cover + 127) // 255


def write_plate(image_rgb: np.ndarray, text: str, corner_xy: tuple[int, int], size_px: int, background: Colour) -> None:
    """Draw a legible text on a plate of this colour into the image itself; `plate_size` says how large it is."""
    (x, y), (width, height), margin = corner_xy, plate_size(text, size_px), _margin(size_px)
    image_rgb[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = background
    write(image_rgb, text, (x + margin, y), size_px, readable_on(background))


def plate_size(text: str, size_px: int) -> tuple[int, int]:
    """Width and height in pixels of a text on its plate."""
    return text_width(text, size_px) + 2 * _margin(size_px), text_height(size_px)


def _margin(size_px: int) -> int:
    return max(size_px // 4, 1)


@functools.lru_cache(maxsize=2048)
def _mask(text: str, size_px: int) -> np.ndarray:
    """How much of each pixel a line of text covers. (height, width) uint8"""
    left = min(math.floor(_font(size_px).getbbox(text)[0]), 0)
    picture = Image.new("L", (max(text_width(text, size_px), 1), text_height(size_px)))
    ImageDraw.Draw(picture).text((-left, 0), text, fill=255, font=_font(size_px))
    mask = np.asarray(picture)
    assert not mask.flags.writeable  # it is shared by all who draw this text
    return mask
