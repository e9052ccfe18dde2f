# SPDX-License-Identifier: Apache-2.0
"""One value for "scaled and padded".

The same numbers place the image, move its boxes there, and bring detections back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from boxwright.geometry.boxes import Boxes, clip_xyxy, copy

GREY = 114  # padding value of this family, of 255


@dataclass(frozen=True)
class Letterbox:
    """How an image of `source_hw` lies on a canvas of `canvas_hw`.

    Boxes use the exact halves of the free space (`pad_xy`); pixels can only start at a whole one (`top_left`).
    """

    source_hw: tuple[int, int]
    canvas_hw: tuple[int, int]
    resized_hw: tuple[int, int]
    gain_xy: tuple[float, float]
    pad_xy: tuple[float, float]

    @property
    def top_left(self) -> tuple[int, int]:
        """First row and column of the image on the canvas."""
        return round(self.pad_xy[1] - 0.1), round(self.pad_xy[0] - 0.1)

    def boxes_to_canvas(self, boxes_xyxy_px: Boxes) -> Boxes:
        """Source pixels -> canvas pixels."""
        moved = copy(boxes_xyxy_px)
        moved[..., 0::2] = boxes_xyxy_px[..., 0::2] * self.gain_xy[0] + self.pad_xy[0]
        moved[..., 1::2] = boxes_xyxy_px[..., 1::2] * self.gain_xy[1] + self.pad_xy[1]
        return moved

    def boxes_to_source(self, boxes_xyxy_px: Boxes) -> Boxes:
        """Canvas pixels -> source pixels, clipped to the image."""
        moved = copy(boxes_xyxy_px)
        moved[..., 0::2] = (boxes_xyxy_px[..., 0::2] - self.pad_xy[0]) / self.gain_xy[0]
        moved[..., 1::2] = (boxes_xyxy_px[..., 1::2] - self.pad_xy[1]) / self.gain_xy[1]
        return clip_xyxy(moved, self.source_hw)


def fit(
    source_hw: tuple[int, int], target_hw: tuple[int, int], *, enlarge: bool = True, stride: int | None = None
) -> Letterbox:
    """Scale to fit into `target_hw`, keeping the shape; pad both sides equally.

    `enlarge=False` leaves small images at their size. With a `stride` the canvas is padded only to its next multiple.
    """
    (h, w), (target_h, target_w) = source_hw, target_hw
    gain = min(target_h / h, target_w / w)
    gain = gain if enlarge else min(gain, 1.0)
    resized_hw = max(round(h * gain), 1), max(round(w * gain), 1)
    free_h, free_w = target_h - resized_hw[0], target_w - resized_hw[1]
    if stride is not None:
        free_h, free_w = free_h % stride, free_w % stride
    canvas_hw = resized_hw[0] + free_h, resized_hw[1] + free_w
    return Letterbox(source_hw, canvas_hw, resized_hw, (gain, gain), (free_w / 2, free_h / 2))


def stretch(source_hw: tuple[int, int], target_hw: tuple[int, int]) -> Letterbox:
    """Fill the target, giving up the shape."""
    gain_xy = target_hw[1] / source_hw[1], target_hw[0] / source_hw[0]
    return Letterbox(source_hw, target_hw, target_hw, gain_xy, (0.0, 0.0))


def centred(source_hw: tuple[int, int], canvas_hw: tuple[int, int]) -> Letterbox:
    """The letterbox that an image filled with unrounded sizes would have: for canvases whose making is not known."""
    (h, w), (canvas_h, canvas_w) = source_hw, canvas_hw
    gain = min(canvas_h / h, canvas_w / w)
    pad_xy = (canvas_w - w * gain) / 2, (canvas_h - h * gain) / 2
    return Letterbox(source_hw, canvas_hw, (round(h * gain), round(w * gain)), (gain, gain), pad_xy)


def rounded_up(side: float, grid: int) -> int:
    """The next multiple of the grid."""
    return math.ceil(side / grid) * grid


def loaded_size(source_hw: tuple[int, int], long_side: int) -> tuple[int, int]:
    """Height and width with this long side, the other rounded up."""
    gain = long_side / max(source_hw)
    return tuple(min(max(math.ceil(side * gain - 1e-9), 1), long_side) for side in source_hw)  # type: ignore[return-value]  # two sides
