# SPDX-License-Identifier: Apache-2.0
"""Box formats. Every function takes (..., 4) numpy arrays or torch tensors and returns a new one of the same kind.

xyxy = corners x1, y1, x2, y2; cxcywh = centre x, centre y, width, height; _px = pixels, _norm = fractions of the image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    import torch

Boxes = TypeVar("Boxes", np.ndarray, "torch.Tensor")


def copy(boxes: Boxes) -> Boxes:
    """A copy, whatever the kind."""
    return boxes.copy() if isinstance(boxes, np.ndarray) else boxes.clone()


def cxcywh_to_xyxy(boxes: Boxes) -> Boxes:
    """Centre and size -> corners."""
    corners = copy(boxes)
    half_w, half_h = boxes[..., 2] / 2, boxes[..., 3] / 2
    corners[..., 0] = boxes[..., 0] - half_w
    corners[..., 1] = boxes[..., 1] - half_h
    corners[..., 2] = boxes[..., 0] + half_w
    corners[..., 3] = boxes[..., 1] + half_h
    return corners


def xyxy_to_cxcywh(boxes: Boxes) -> Boxes:
    """Corners -> centre and size."""
    centred = copy(boxes)
    centred[..., 0] = (boxes[..., 0] + boxes[..., 2]) / 2
    centred[..., 1] = (boxes[..., 1] + boxes[..., 3]) / 2
    centred[..., 2] = boxes[..., 2] - boxes[..., 0]
    centred[..., 3] = boxes[..., 3] - boxes[..., 1]
    return centred


def cxcywh_norm_to_xyxy_px(boxes: Boxes, size_hw: tuple[float, float], pad_xy: tuple[float, float] = (0, 0)) -> Boxes:
    """Normalised centre and size -> corners in pixels of an image of this size that lies at `pad_xy` on a canvas."""
    height, width = size_hw
    corners = cxcywh_to_xyxy(boxes)
    corners[..., 0::2] = corners[..., 0::2] * width + pad_xy[0]
    corners[..., 1::2] = corners[..., 1::2] * height + pad_xy[1]
    return corners


def xyxy_px_to_cxcywh_norm(boxes: Boxes, size_hw: tuple[float, float]) -> Boxes:
    """Corners in pixels -> normalised centre and size."""
    height, width = size_hw
    centred = xyxy_to_cxcywh(boxes)
    centred[..., 0::2] = centred[..., 0::2] / width
    centred[..., 1::2] = centred[..., 1::2] / height
    return centred


def clip_xyxy(boxes: Boxes, size_hw: tuple[float, float], margin: float = 0.0) -> Boxes:
    """Corners moved into the image; `margin` keeps them off the right and lower edge."""
    height, width = size_hw
    clipped = copy(boxes)
    clipped[..., 0::2] = boxes[..., 0::2].clip(0, width - margin)
    clipped[..., 1::2] = boxes[..., 1::2].clip(0, height - margin)
    return clipped


def areas_xyxy(boxes: Boxes) -> Boxes:
    """Width times height, (...,)."""
    areas: Boxes = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return areas


MIN_SIDE_PX = 2.0
MAX_ASPECT = 100.0


def survives(before_xyxy: Boxes, after_xyxy: Boxes, min_area_ratio: float) -> Boxes:
    """Which boxes are still worth learning after a transform: wide and high enough, not a sliver, enough area left.

    (N,) bool.

    `before_xyxy` has to be scaled to the size it would have without clipping.
    """
    eps = 1e-16
    w_before, h_before = before_xyxy[..., 2] - before_xyxy[..., 0], before_xyxy[..., 3] - before_xyxy[..., 1]
    w, h = after_xyxy[..., 2] - after_xyxy[..., 0], after_xyxy[..., 3] - after_xyxy[..., 1]
    area_ratio = w * h / (w_before * h_before + eps)
    slim = (w / (h + eps) < MAX_ASPECT) & (h / (w + eps) < MAX_ASPECT)
    kept: Boxes = (w > MIN_SIDE_PX) & (h > MIN_SIDE_PX) & slim & (area_ratio > min_area_ratio)
    return kept
