# SPDX-License-Identifier: Apache-2.0
"""Boxes with captions on an image of any size. K boxes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from boxwright.drawing.captions import MIN_TEXT_PX, plate_size, shortened, write_plate
from boxwright.drawing.palette import Colour
from boxwright.drawing.placement import places

if TYPE_CHECKING:
    from collections.abc import Sequence

Style = Literal["solid", "dashed"]

LINE_PER_SIDE = 1 / 320  # line width per mean side of the image: 2 px at 640
TEXT_PX, TEXT_PER_SIDE = 6, 1 / 80  # height of letters: 14 px at 640, and not too small on small images
CROWDED = 0.12  # share of the image that captions may ask for before their letters become smaller
CROWDED_TEXT = 0.75  # but not below this share of their size
HALO = 0.45  # how much white surrounds a line, so that a dark one is seen on dark ground
SIDE_PER_LINE = 6  # a box is at least so many lines wide, or its line becomes finer: small things stay visible
MAX_CAPTION_SHARE = 0.5  # of the image's width
DASH_PER_LINE = 5  # length of a dash in line widths; gaps are about half of it
MIN_DASH_PX = 4


class _Frame(NamedTuple):
    """A box in whole pixels. The line lies around it, so that what is in the box stays visible."""

    x1: int
    y1: int
    x2: int
    y2: int
    line: int

    @property
    def outer_xyxy(self) -> tuple[int, int, int, int]:
        return self.x1 - self.line, self.y1 - self.line, self.x2 + self.line, self.y2 + self.line

    @property
    def area(self) -> int:
        return (self.x2 - self.x1) * (self.y2 - self.y1)


def draw_boxes(
    image_rgb: np.ndarray,
    boxes_xyxy_px: np.ndarray,
    captions: Sequence[str],
    colours: Sequence[Colour],
    line_width: int | None = None,
    *,
    style: Style | Sequence[Style] = "solid",
) -> np.ndarray:
    """The image with boxes and captions on it, as a new array. (H, W, 3) uint8, (K, 4) -> (H, W, 3) uint8

    The order is that of importance: the first captions get the best places. An empty caption is none. `style` is one
    for all or one each. A box that is not finite or lies outside the image is left out.
    """
    drawn = image_rgb.copy()
    boxes = np.asarray(boxes_xyxy_px, np.float64).reshape(-1, 4)
    styles = [style] * len(boxes) if isinstance(style, str) else style
    assert len(boxes) == len(captions) == len(colours) == len(styles)
    width = line_width or _line_width(drawn)
    frames = {i: frame for i, box in enumerate(boxes) if (frame := _frame(box, drawn, width))}
    for i in sorted(
        frames, key=lambda i: (-frames[i].area, -i)
    ):  # small and important ones last, over the lines of others
        _draw_frame(drawn, frames[i], colours[i], styles[i])
    _draw_captions(drawn, frames, captions, colours)
    return drawn


def text_size(image_rgb: np.ndarray) -> int:
    """The height of letters, in pixels, that suits an image of this size."""
    return max(round(TEXT_PX + _mean_side(image_rgb) * TEXT_PER_SIDE), MIN_TEXT_PX)


def _line_width(image_rgb: np.ndarray) -> int:
    return max(round(_mean_side(image_rgb) * LINE_PER_SIDE), 1)


def _mean_side(image_rgb: np.ndarray) -> float:
    height, width = image_rgb.shape[:2]
    return float(height + width) / 2


def _frame(box_xyxy: np.ndarray, image_rgb: np.ndarray, width: int) -> _Frame | None:
    """The box as it is drawn, or None where nothing of it lies in the image."""
    height_px, width_px = image_rgb.shape[:2]
    if not np.isfinite(box_xyxy).all():
        return None
    (x1, x2), (y1, y2) = sorted(box_xyxy[0::2]), sorted(box_xyxy[1::2])
    if x2 < 0 or y2 < 0 or x1 > width_px or y1 > height_px:
        return None
    line = max(min(width, int(min(x2 - x1, y2 - y1) / SIDE_PER_LINE)), 1)
    # The line of a box that fills the image lies inside its edge.
    low, high = (line, line), (max(width_px - line, line), max(height_px - line, line))
    left, top = (math.floor(min(max(v, a), b)) for v, a, b in zip((x1, y1), low, high, strict=True))
    right, bottom = (math.ceil(min(max(v, a), b)) for v, a, b in zip((x2, y2), low, high, strict=True))
    return _Frame(left, top, max(right, left + 1), max(bottom, top + 1), line)


def _draw_frame(drawn: np.ndarray, frame: _Frame, ink: Colour, style: Style) -> None:
    if style == "solid" and frame.line > 1:
        _brighten_around(drawn, frame)
    x1, y1, x2, y2 = frame.outer_xyxy
    columns, rows = np.arange(max(x1, 0), min(x2, drawn.shape[1])), np.arange(max(y1, 0), min(y2, drawn.shape[0]))
    if style == "dashed":
        columns, rows = (
            columns[_dashes(columns - x1, x2 - x1, frame.line)],
            rows[_dashes(rows - y1, y2 - y1, frame.line)],
        )
    for top in (y1, frame.y2):
        drawn[max(top, 0) : max(top + frame.line, 0), columns] = ink
    for left in (x1, frame.x2):
        drawn[rows, max(left, 0) : max(left + frame.line, 0)] = ink


def _brighten_around(drawn: np.ndarray, frame: _Frame) -> None:
    """A faint white edge outside the line, thinner than the line."""
    edge = max(frame.line // 3, 1)
    x1, y1, x2, y2 = (max(side, 0) for side in frame.outer_xyxy)
    top, left = max(y1 - edge, 0), max(x1 - edge, 0)
    for area in (
        drawn[top:y1, left : x2 + edge],
        drawn[y2 : y2 + edge, left : x2 + edge],
        drawn[y1:y2, left:x1],
        drawn[y1:y2, x2 : x2 + edge],
    ):
        area[:] = (area + (255.0 - area) * HALO).astype(np.uint8)


def _dashes(along: np.ndarray, length: int, line: int) -> np.ndarray:
    """Which pixels of a side are inked: dashes and gaps of two to one, with a dash at both ends."""
    dash = max(line * DASH_PER_LINE, MIN_DASH_PX)
    periods = max(round((length - dash) / (dash * 1.5)), 1)
    period = max((length - dash) / periods, 1)
    inked: np.ndarray = along % period < dash
    return inked


def _draw_captions(
    drawn: np.ndarray, frames: dict[int, _Frame], captions: Sequence[str], colours: Sequence[Colour]
) -> None:
    texts, size_px = _texts({i: captions[i] for i in frames if captions[i]}, drawn)
    sizes_wh = np.array([plate_size(text, size_px) for text in texts.values()]).reshape(-1, 2)
    rows = {i: row for row, i in enumerate(frames)}
    outer = np.array([frame.outer_xyxy for frame in frames.values()]).reshape(-1, 4)
    found = places(np.array([rows[i] for i in texts], int), sizes_wh, outer, (drawn.shape[0], drawn.shape[1]))
    for (i, text), corner_xy in zip(texts.items(), found, strict=True):
        if corner_xy is not None:
            write_plate(drawn, text, corner_xy, size_px, colours[i])


def _texts(captions: dict[int, str], image_rgb: np.ndarray) -> tuple[dict[int, str], int]:
    """The captions as they fit, and the height of their letters: the usual one, or less where there are many."""
    size_px = text_size(image_rgb)
    texts = _shortened(captions, size_px, image_rgb.shape[1])
    asked = sum(math.prod(plate_size(text, size_px)) for text in texts.values())
    free = CROWDED * image_rgb.shape[0] * image_rgb.shape[1]
    if asked <= free:
        return texts, size_px
    smaller_px = max(round(size_px * max(math.sqrt(free / asked), CROWDED_TEXT)), MIN_TEXT_PX)
    return _shortened(captions, smaller_px, image_rgb.shape[1]), smaller_px


def _shortened(captions: dict[int, str], size_px: int, image_width_px: int) -> dict[int, str]:
    # Half of the image is enough for a caption, except in images where that is only a few letters.
    widest = (
        max(round(image_width_px * MAX_CAPTION_SHARE), min(image_width_px, 12 * size_px)) - plate_size("", size_px)[0]
    )
    texts = {i: shortened(caption, size_px, widest) for i, caption in captions.items()}
    return {i: text for i, text in texts.items() if text}
