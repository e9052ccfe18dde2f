# SPDX-License-Identifier: Apache-2.0
"""The textbook head and loss: a dense head, its output permuted to (B, A, H, W, 5 + C), losses gathered from it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def dense_head(features: list[torch.Tensor], convs: nn.ModuleList, num_anchors: int) -> list[torch.Tensor]:
    """Raw answers of every level. (B, A, H, W, 5 + C)"""
    raws = []
    for feature, conv in zip(features, convs, strict=True):
        x = conv(feature)
        b, channels, h, w = x.shape
        raws.append(x.view(b, num_anchors, channels // num_anchors, h, w).permute(0, 1, 3, 4, 2).contiguous())
    return raws


def ciou(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Complete IoU of cxcywh rows, as the paper has it."""
    x1, y1, w1, h1 = first.unbind(1)
    x2, y2, w2, h2 = second.unbind(1)
    overlap_w = (torch.min(x1 + w1 / 2, x2 + w2 / 2) - torch.max(x1 - w1 / 2, x2 - w2 / 2)).clamp(0)
    overlap_h = (torch.min(y1 + h1 / 2, y2 + h2 / 2) - torch.max(y1 - h1 / 2, y2 - h2 / 2)).clamp(0)
    intersection = overlap_w * overlap_h
    iou = intersection / (w1 * h1 + w2 * h2 - intersection + 1e-7)
    hull_w = torch.max(x1 + w1 / 2, x2 + w2 / 2) - torch.min(x1 - w1 / 2, x2 - w2 / 2)
    hull_h = torch.max(y1 + h1 / 2, y2 + h2 / 2) - torch.min(y1 - h1 / 2, y2 - h2 / 2)
    distance = ((x1 - x2) ** 2 + (y1 - y2) ** 2) / (hull_w**2 + hull_h**2 + 1e-7)
    v = 4 / math.pi**2 * (torch.atan(w2 / h2) - torch.atan(w1 / h1)) ** 2
    alpha = (v / (v - iou + 1 + 1e-7)).detach()
    return iou - distance - alpha * v


def matches(targets: torch.Tensor, anchors: torch.Tensor, h: int, w: int, anchor_t: float) -> list[tuple[int, ...]]:
    """(image, anchor, row, column, target number) of one level, target by target: the definition as loops."""
    found = []
    for offset in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (-0.5, 0.0), (0.0, -0.5)):
        for a, (anchor_w, anchor_h) in enumerate(anchors.tolist()):
            for n, target in enumerate(targets):
                x, y, tw, th = (target[2:] * torch.tensor([w, h, w, h])).unbind()
                ratios = (tw / anchor_w, anchor_w / tw, th / anchor_h, anchor_h / th)
                if max(float(r) for r in ratios) >= anchor_t:
                    continue
                dx, dy = offset
                left, up = x % 1 < 0.5 and x > 1, y % 1 < 0.5 and y > 1
                right, down = (w - x) % 1 < 0.5 and w - x > 1, (h - y) % 1 < 0.5 and h - y > 1
                if {(0.5, 0.0): left, (0.0, 0.5): up, (-0.5, 0.0): right, (0.0, -0.5): down}.get(offset, True):
                    column, row = int(torch.floor(x - dx)), int(torch.floor(y - dy))
                    found.append((int(target[0]), a, min(max(row, 0), h - 1), min(max(column, 0), w - 1), n))
    return found


def vector_matches(
    targets: torch.Tensor, anchors: torch.Tensor, h: int, w: int, anchor_t: float
) -> tuple[torch.Tensor, ...]:
    """The same with boolean selections, as one would write it for speed at first.

    Image, anchor, row, column, target number.
    """
    num_anchors, num_targets = len(anchors), len(targets)
    numbers = torch.arange(num_targets).repeat(num_anchors, 1)
    a = torch.arange(num_anchors).view(-1, 1).repeat(1, num_targets)
    scaled = targets[:, 2:] * torch.tensor([w, h, w, h])
    ratio = scaled[None, :, 2:] / anchors[:, None]
    keep = torch.max(ratio, 1 / ratio).max(2)[0] < anchor_t
    numbers, a = numbers[keep], a[keep]
    xy = scaled[numbers, :2]
    inverse = torch.tensor([w, h]) - xy
    left, up = ((xy % 1 < 0.5) & (xy > 1)).T
    right, down = ((inverse % 1 < 0.5) & (inverse > 1)).T
    chosen = torch.stack((torch.ones_like(left), left, up, right, down))
    numbers, a = numbers.repeat(5, 1)[chosen], a.repeat(5, 1)[chosen]
    offsets = torch.tensor([[0, 0], [0.5, 0], [0, 0.5], [-0.5, 0], [0, -0.5]])[:, None].repeat(1, len(xy), 1)[chosen]
    cell = (scaled[numbers, :2] - offsets).long()
    return targets[numbers, 0].long(), a, cell[:, 1].clamp(0, h - 1), cell[:, 0].clamp(0, w - 1), numbers


def centres_in(region: list[float], h: int, w: int) -> np.ndarray:
    """The cells whose centre lies in a region cx, cy, w, h, its edge included, one by one. (H, W) bool"""
    cx, cy, rw, rh = region
    inside = np.zeros((h, w), bool)
    for row, column in itertools.product(range(h), range(w)):
        x, y = (column + 0.5) / w, (row + 0.5) / h
        inside[row, column] = cx - rw / 2 <= x <= cx + rw / 2 and cy - rh / 2 <= y <= cy + rh / 2
    return inside


class DenseLoss:
    """Box, objectness and class loss on dense maps; options as in the package."""

    def __init__(
        self, anchors: torch.Tensor, num_classes: int, class_weights: tuple[float, ...] = (), **options: float
    ) -> None:
        self.class_weights = class_weights
        self.anchors, self.num_classes = anchors, num_classes
        self.options = {
            "box": 0.05,
            "obj": 1.0,
            "cls": 0.5,
            "obj_pw": 1.0,
            "cls_pw": 1.0,
            "gamma": 0.0,
            "anchor_t": 4.0,
            "smoothing": 0.0,
            **options,
        }
        self.balance = [4.0, 1.0, 0.4] if len(anchors) == 3 else [4.0, 1.0, 0.25, 0.06, 0.02]

    def __call__(
        self, raws: list[torch.Tensor], targets: torch.Tensor, regions: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        box, obj, cls = torch.zeros(1), torch.zeros(1), torch.zeros(1)
        for level, raw in enumerate(raws):
            wanted = torch.zeros(raw.shape[:4])
            image, a, row, column, number = vector_matches(
                targets, self.anchors[level], raw.shape[2], raw.shape[3], self.options["anchor_t"]
            )
            if len(image):
                answers = raw[image, a, row, column]
                h, w = raw.shape[2:4]
                scaled = targets[number, 2:] * torch.tensor([w, h, w, h])
                xy = answers[:, :2].sigmoid() * 2 - 0.5
                wh = (answers[:, 2:4].sigmoid() * 2) ** 2 * self.anchors[level][a]
                shift = scaled[:, :2] - torch.stack((column, row), 1)
                overlap = ciou(torch.cat((xy, wh), 1), torch.cat((shift, scaled[:, 2:]), 1))
                box = box + (1 - overlap).mean()
                wanted[image, a, row, column] = overlap.detach().clamp(0)
                if self.num_classes > 1:
                    eps = self.options["smoothing"]
                    one_hot = torch.full_like(answers[:, 5:], eps / 2)
                    one_hot[range(len(number)), targets[number, 1].long()] = 1 - eps / 2
                    of_classes = self.bce(answers[:, 5:], one_hot, self.options["cls_pw"])
                    for i, k in enumerate(targets[number, 1].long().tolist() if self.class_weights else ()):
                        of_classes[i] = of_classes[i] * self.class_weights[k]
                    cls = cls + of_classes.mean()
            counts = torch.ones(raw.shape[:4])
            for number, *region in [] if regions is None else regions.tolist():
                counts[int(number), :, torch.from_numpy(centres_in(region, raw.shape[2], raw.shape[3]))] = 0
            counts[image, a, row, column] = 1
            obj = obj + (self.bce(raw[..., 4], wanted, self.options["obj_pw"]) * counts).mean() * self.balance[level]
        items = torch.cat((box * self.options["box"], obj * self.options["obj"], cls * self.options["cls"]))
        return items.sum() * raws[0].shape[0], items.detach()

    def bce(self, logits: torch.Tensor, wanted: torch.Tensor, pos_weight: float) -> torch.Tensor:
        """Binary cross-entropy, focal when gamma is above 0."""
        loss = functional.binary_cross_entropy_with_logits(
            logits, wanted, reduction="none", pos_weight=torch.tensor([pos_weight])
        )
        if self.options["gamma"] > 0:
            p = logits.sigmoid()
            p_t = wanted * p + (1 - wanted) * (1 - p)
            loss = loss * (wanted * 0.25 + (1 - wanted) * 0.75) * (1 - p_t) ** self.options["gamma"]
        return loss
