# SPDX-License-Identifier: Apache-2.0
"""Contact sheets: many images in cells of one size on white, with a line of text under each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.drawing.captions import MIN_TEXT_PX, shortened, shortened_start, text_height, text_width, write
from boxwright.drawing.palette import BLACK, Colour

if TYPE_CHECKING:
    from collections.abc import Sequence

PAPER: Colour = (255, 255, 255)
EMPTY: Colour = (240, 240, 240)  # what an image leaves free of its cell
INK: Colour = (70, 70, 70)
TEXT_PER_CELL = 1 / 28  # height of letters per width of a cell
MAX_TEXT_PX = 22
EMPTY_SHEET_HW = (120, 360)


def fitted(image_rgb: np.ndarray, cell_px: int) -> np.ndarray:
    """A copy of the image whose longer side is `cell_px`. (H, W, 3) uint8 -> (h, w, 3) uint8"""
    height, width = image_rgb.shape[:2]
    if not height or not width:
        return np.full((cell_px, cell_px, 3), EMPTY, np.uint8)
    gain = cell_px / max(height, width)
    size_wh = max(round(width * gain), 1), max(round(height * gain), 1)
    if size_wh == (width, height):
        return image_rgb.copy()
    return cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA if gain < 1 else cv2.INTER_LINEAR).astype(
        np.uint8, copy=False
    )


def grid(
    images: Sequence[np.ndarray],
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    cell_px: int = 480,
    gap: int = 12,
) -> np.ndarray:
    """All images in rows, each scaled to `cell_px` on its longer side and centred in its cell.

    (H, W, 3) uint8 each -> (h, w, 3) uint8

    A caption stands under its image; it is cut at its start, since what tells paths apart is their end.
    """
    if not len(images):
        return _nothing()
    tiles = _equal([fitted(image, cell_px) for image in images])
    if captions is not None:
        tiles = [
            np.concatenate((tile, _caption(text, tile.shape[1], tile.shape[1])))
            for tile, text in zip(tiles, captions, strict=True)
        ]
    return _stacked(_rows(tiles, columns or math.ceil(math.sqrt(len(tiles))), gap), gap)


def side_by_side(
    left_images: Sequence[np.ndarray],
    right_images: Sequence[np.ndarray],
    titles: tuple[str, str],
    captions: Sequence[str] | None = None,
    *,
    pairs_per_row: int | None = None,
    cell_px: int = 480,
    gap: int = 12,
) -> np.ndarray:
    """Pairs of pictures of the same thing, the titles of both sides above each column.

    (H, W, 3) uint8 each -> (h, w, 3) uint8
    """
    if not len(left_images):
        return _nothing()
    tiles = _equal([fitted(image, cell_px) for image in (*left_images, *right_images)])
    between = _paper(tiles[0].shape[0], max(gap // 3, 1))
    pairs = [
        np.concatenate((left, between, right), axis=1)
        for left, right in zip(tiles[: len(left_images)], tiles[len(left_images) :], strict=True)
    ]
    if captions is not None:
        pairs = [
            np.concatenate((pair, _caption(text, pair.shape[1], tiles[0].shape[1])))
            for pair, text in zip(pairs, captions, strict=True)
        ]
    columns = min(pairs_per_row or math.ceil(math.sqrt(len(pairs) / 2)), len(pairs))
    heads = [_title(title, tiles[0].shape[1]) for title in titles]
    head = np.concatenate((heads[0], _paper(heads[0].shape[0], between.shape[1]), heads[1]), axis=1)
    return _stacked(_rows([head] * columns, columns, gap) + _rows(pairs, columns, gap), gap)


def text_line(text: str, width_px: int, size_px: int, ink: Colour = INK) -> np.ndarray:
    """A line of text on paper, cut at its end to fit. (h, width_px, 3) uint8"""
    line = _paper(_line_height(size_px), width_px)
    write(line, shortened(text, size_px, width_px), (0, _line_height(size_px) // 8), size_px, ink)
    return line


def _line_height(size_px: int) -> int:
    return round(text_height(size_px) * 1.3)


def _caption(text: str, width_px: int, cell_width_px: int) -> np.ndarray:
    size_px = _text_size(cell_width_px)
    return text_line(shortened_start(text, size_px, width_px), width_px, size_px)


def _title(text: str, cell_width_px: int) -> np.ndarray:
    return text_line(text, cell_width_px, round(_text_size(cell_width_px) * 1.15), BLACK)


def _text_size(cell_width_px: int) -> int:
    return min(max(round(cell_width_px * TEXT_PER_CELL), MIN_TEXT_PX), MAX_TEXT_PX)


def _equal(tiles: list[np.ndarray]) -> list[np.ndarray]:
    """All tiles in cells of the size that holds each of them."""
    height, width = max(tile.shape[0] for tile in tiles), max(tile.shape[1] for tile in tiles)
    return [_centred(tile, (height, width)) for tile in tiles]


def _centred(tile: np.ndarray, cell_hw: tuple[int, int]) -> np.ndarray:
    cell = np.full((*cell_hw, 3), EMPTY, np.uint8)
    top, left = (cell_hw[0] - tile.shape[0]) // 2, (cell_hw[1] - tile.shape[1]) // 2
    cell[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return cell


def _rows(tiles: list[np.ndarray], columns: int, gap: int) -> list[np.ndarray]:
    """Tiles of one size side by side, so many in a row, with paper between and at both ends."""
    height, width = tiles[0].shape[:2]
    tiles = tiles + [_paper(height, width)] * (-len(tiles) % columns)
    between = _paper(height, gap)
    return [
        np.concatenate([between, *(part for tile in tiles[i : i + columns] for part in (tile, between))], axis=1)
        for i in range(0, len(tiles), columns)
    ]


def _stacked(rows: list[np.ndarray], gap: int) -> np.ndarray:
    between = _paper(gap, rows[0].shape[1])
    return np.concatenate([between, *(part for row in rows for part in (row, between))])


def _paper(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), PAPER, np.uint8)


def _nothing() -> np.ndarray:
    """A sheet that says that there is nothing on it."""
    sheet = _paper(*EMPTY_SHEET_HW)
    text, size_px = "no images", 18
    write(
        sheet,
        text,
        ((sheet.shape[1] - text_width(text, size_px)) // 2, (sheet.shape[0] - text_height(size_px)) // 2),
        size_px,
        INK,
    )
    return sheet
