# SPDX-License-Identifier: Apache-2.0
"""Overlap of boxes: intersection over union and its relatives, row by row (for losses) or all pairs (for matching).

N, M count boxes. Everything here is finite for every finite input, zero-size boxes included.
"""

from __future__ import annotations

import math
from typing import Literal

import torch

Kind = Literal["iou", "giou", "diou", "ciou"]
EPS = 1e-7
MIN_SIDE = 1e-9


def pairwise(first_xyxy: torch.Tensor, second_xyxy: torch.Tensor) -> torch.Tensor:
    """IoU of all pairs. (N, 4), (M, 4) -> (N, M)"""
    low = torch.maximum(first_xyxy[:, None, :2], second_xyxy[None, :, :2])
    high = torch.minimum(first_xyxy[:, None, 2:], second_xyxy[None, :, 2:])
    intersection = (high - low).clamp(min=0).prod(-1)
    areas_first = (first_xyxy[:, 2:] - first_xyxy[:, :2]).prod(-1)
    areas_second = (second_xyxy[:, 2:] - second_xyxy[:, :2]).prod(-1)
    return intersection / (areas_first[:, None] + areas_second[None] - intersection + EPS)


def rowwise(first_cxcywh: torch.Tensor, second_cxcywh: torch.Tensor, kind: Kind = "iou") -> torch.Tensor:
    """Overlap of row i with row i, differentiable in the first. (N, 4), (N, 4) -> (N,)"""
    xy1, wh1 = first_cxcywh[:, :2], first_cxcywh[:, 2:]
    xy2, wh2 = second_cxcywh[:, :2], second_cxcywh[:, 2:]
    low1, high1, low2, high2 = xy1 - wh1 / 2, xy1 + wh1 / 2, xy2 - wh2 / 2, xy2 + wh2 / 2
    intersection = (torch.minimum(high1, high2) - torch.maximum(low1, low2)).clamp(min=0).prod(-1)
    union = wh1.prod(-1) + wh2.prod(-1) - intersection + EPS
    iou = intersection / union
    if kind == "iou":
        return iou
    hull = torch.maximum(high1, high2) - torch.minimum(low1, low2)
    if kind == "giou":
        hull_area = hull.prod(-1) + EPS
        return iou - (hull_area - union) / hull_area
    distance = (xy2 - xy1).square().sum(-1) / (hull.square().sum(-1) + EPS)
    return iou - distance if kind == "diou" else iou - distance - _aspect_penalty(wh1, wh2, iou)


def _aspect_penalty(wh1: torch.Tensor, wh2: torch.Tensor, iou: torch.Tensor) -> torch.Tensor:
    """The shape term of CIoU: alpha * v, alpha without gradient. (N,)

    The overlap of two equal boxes can round to just above 1, which would make alpha 0 / 0 without a floor.
    """
    v = (4 / math.pi**2) * (_shape_angle(wh2) - _shape_angle(wh1)).square()
    with torch.no_grad():
        alpha = v / (v - iou + (1 + EPS)).clamp(min=EPS)
    return alpha * v


def _shape_angle(wh: torch.Tensor) -> torch.Tensor:
    """Angle of the diagonal. The floor keeps value and gradient finite for a box without size, where w / h is 0 / 0."""
    w, h = wh.clamp(min=MIN_SIDE).unbind(-1)
    return torch.atan2(w, h)
