# SPDX-License-Identifier: Apache-2.0
"""What colours mean, in a line below pictures whose captions would hide what they name. K boxes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from boxwright.drawing.boxes import text_size
from boxwright.drawing.captions import plate_size, shortened, text_height, text_width, write
from boxwright.drawing.palette import Colour

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FEW = 8  # captions that never hide a picture, however small their boxes are
INK: Colour = (70, 70, 70)
LINE = 1.5  # height of a line of the legend, in heights of its letters


def captions_hide(image_rgb: np.ndarray, boxes_xyxy_px: np.ndarray, captions: Sequence[str]) -> bool:
    """Whether many boxes are smaller than their captions: then more captions than things would be seen. (K, 4)"""
    size_px = text_size(image_rgb)
    boxes = np.asarray(boxes_xyxy_px, np.float64).reshape(-1, 4)
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1)
    plates = [math.prod(plate_size(shortened(text, size_px, image_rgb.shape[1]), size_px)) for text in captions]
    return len(boxes) > FEW and float(np.median(areas / np.maximum(plates, 1))) < 1


def legend(meanings: Mapping[str, Colour], width_px: int, size_px: int) -> np.ndarray:
    """Lines of patches with their meaning on white; words longer than a line are cut. (h, width_px, 3) uint8"""
    height = round(text_height(size_px) * LINE)
    rows: list[np.ndarray] = []
    x = width_px
    for word, ink in meanings.items():
        text = shortened(word, size_px, max(width_px - 3 * size_px, 1))
        wide = text_width(text, size_px) + 3 * size_px
        if x + wide > width_px:
            rows.append(np.full((height, width_px, 3), 255, np.uint8))
            x = size_px // 2
        top = (height - size_px) // 2
        rows[-1][top : top + size_px, x : x + size_px] = ink
        write(rows[-1], text, (x + size_px + size_px // 3, (height - text_height(size_px)) // 2), size_px, INK)
        x += wide
    return np.concatenate(rows) if rows else np.full((0, width_px, 3), 255, np.uint8)
