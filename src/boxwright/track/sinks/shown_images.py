# SPDX-License-Identifier: Apache-2.0
"""Validation images with their boxes drawn on them, for services that have no boxes of their own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.palette import colour
from boxwright.drawing.sheet import side_by_side
from boxwright.errors import DataError
from boxwright.paths import read_regular
from boxwright.track.events import ShownBox, ShownImage

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 64 << 20  # of a picture that a run made


def drawn(folder: Path, image: ShownImage) -> np.ndarray:
    """Truth and predictions beside each other. (H, W, 3) uint8 RGB; raises DataError, OSError"""
    file = JpegImageFile(io.BytesIO(read_regular(folder / image.path, MAX_BYTES)))
    if file.size != tuple(image.size_hw[::-1]):  # before it is decoded
        raise DataError(str(folder / image.path), f"is of {file.size[0]}x{file.size[1]} pixels now", "")
    pixels = np.asarray(file.convert("RGB"))
    return side_by_side([_with(pixels, image.truth)], [_with(pixels, image.predictions)], ("truth", "predictions"))


def _with(pixels: np.ndarray, boxes: tuple[ShownBox, ...]) -> np.ndarray:
    corners = np.array([box.xyxy_px for box in boxes], np.float64).reshape(-1, 4)
    captions = [box.name if box.score is None else f"{box.name} {box.score:.2f}" for box in boxes]
    return draw_boxes(pixels, corners, captions, [colour(box.number) for box in boxes])
