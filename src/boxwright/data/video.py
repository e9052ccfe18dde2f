# SPDX-License-Identifier: Apache-2.0
"""Videos as pictures, one frame after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.images import BrokenImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

VIDEO_SUFFIXES = frozenset((".asf", ".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"))
USUAL_PACE = 25.0  # frames per second where a file does not say


def frames(path: str, stride: int) -> Iterator[tuple[int, float, np.ndarray]]:
    """Number, frames per second and RGB pixels (H, W, 3) uint8 of every `stride`-th frame. Raises BrokenImageError."""
    film = cv2.VideoCapture(path)
    try:
        pace = film.get(cv2.CAP_PROP_FPS) or USUAL_PACE
        number = 0
        while film.grab():
            if number % stride == 0:
                there, pixels = film.retrieve()
                if there:
                    yield number, pace, np.ascontiguousarray(pixels[..., ::-1])
            number += 1
        if not number:
            raise BrokenImageError("no frame could be read")
    finally:
        film.release()
