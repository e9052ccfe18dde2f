# SPDX-License-Identifier: Apache-2.0
"""Videos as pictures, one frame after the other.

A film is a regular file that is one by its content; it never opens another file or the network.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.signatures import LOOKED_AT, film_kind, foreign_kind
from boxwright.paths import opened_regular
from boxwright.system.places import only_local_films

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO_SUFFIXES = frozenset(
    (".asf", ".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv")
)
USUAL_FRAME_RATE = 25.0  # frames per second where a file does not say
MAX_FRAME_PIXELS = 1 << 26  # 8192 x 8192: each thread of a decoder keeps a frame of its own


def frames(path: str, stride: int) -> Iterator[tuple[int, float, np.ndarray]]:
    """Number, frames per second and RGB pixels (H, W, 3) uint8 of every `stride`-th frame. Raises BrokenImageError."""
    _require_film(path)
    with only_local_films():
        film = cv2.VideoCapture(os.path.abspath(path), cv2.CAP_FFMPEG)  # noqa: PTH100 -- from the root on no name is taken for an address
    try:
        require_size(film)
        frame_rate = film.get(cv2.CAP_PROP_FPS) or USUAL_FRAME_RATE
        number = 0
        while film.grab():
            require_size(film)
            if number % stride == 0:
                there, pixels = film.retrieve()
                if there:
                    yield number, frame_rate, np.ascontiguousarray(pixels[..., ::-1])
            number += 1
        if not number:
            raise BrokenImageError("no frame could be read")
    finally:
        film.release()


def _require_film(path: str) -> None:
    """Refuse what is no regular file or, by its content, no film: playlists name other files.

    Raises BrokenImageError.
    """
    try:
        with opened_regular(path) as (descriptor, _):
            head = os.read(descriptor, LOOKED_AT)
    except OSError as error:
        raise BrokenImageError((error.strerror or str(error)).lower()) from None
    if film_kind(head) is None:
        what = foreign_kind(head) if head else None
        raise BrokenImageError(
            f"is {what}, not a video this program reads" if what else "is not a video of a known format",
            "Convert it to MP4",
        )


def require_size(film: cv2.VideoCapture) -> None:
    """Refuse frames that would not fit into memory, before one is made. Raises BrokenImageError."""
    width, height = film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)
    if width > 0 and height > 0 and width * height > MAX_FRAME_PIXELS:
        raise BrokenImageError(
            f"its frames have {width:.0f} x {height:.0f} pixels, over the limit of {MAX_FRAME_PIXELS:,}"
        )
