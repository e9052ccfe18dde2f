# SPDX-License-Identifier: Apache-2.0
"""The textbook suppression: take the best box, drop what overlaps it, repeat."""

from __future__ import annotations

import torch


def iou_one_to_many(box: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    low, high = torch.maximum(box[:2], boxes[:, :2]), torch.minimum(box[2:], boxes[:, 2:])
    side = (high - low).clamp(min=0)
    intersection = side[:, 0] * side[:, 1]
    area = (box[2] - box[0]) * (box[3] - box[1])
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return intersection / (area + areas - intersection)


def greedy(boxes: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, max_iou: float, max_det: int) -> list[int]:
    """Indices of the boxes that stay, best first; only boxes of one class compete."""
    order = scores.argsort(descending=True, stable=True)
    kept = []
    while len(order) and len(kept) < max_det:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        overlap = iou_one_to_many(boxes[best], boxes[rest])
        order = rest[~((overlap > max_iou) & (classes[rest] == classes[best]))]
    return kept


def detections(
    prediction: torch.Tensor, min_score: float, max_iou: float, max_det: int = 300, max_candidates: int = 30_000
) -> torch.Tensor:
    """The whole way of one image, multi-label: (P, 5 + C) -> (M, 6)"""
    passed = prediction[prediction[:, 4] > min_score]
    scores = passed[:, 5:] * passed[:, 4:5]
    rows, classes = (scores > min_score).nonzero().T
    best = scores[rows, classes]
    cx, cy, w, h = passed[rows, :4].unbind(1)
    boxes = torch.stack((cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), 1)
    top = best.argsort(descending=True, stable=True)[:max_candidates]
    boxes, best, classes = boxes[top], best[top], classes[top]
    kept = greedy(boxes, best, classes, max_iou, max_det)
    return torch.cat((boxes[kept], best[kept, None], classes[kept, None].float()), 1)
