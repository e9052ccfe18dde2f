# SPDX-License-Identifier: Apache-2.0
"""The detection loss: boxes, objectness, classes. It asks the maps for objectness and for the assigned cells only.

B images, A anchors per cell, H rows, W columns, C classes, K matches on a level, R regions to ignore. Everything stays
on the device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

from boxwright.geometry.iou import rowwise
from boxwright.loss.assign import Matches, assign
from boxwright.loss.ignore_regions import ignored_answers
from boxwright.loss.rules import LossRules
from boxwright.structures.maps import HeadMaps
from boxwright.system.device import is_cuda

Sum = Callable[[torch.Tensor], torch.Tensor]  # (N,) -> (N,) float64
FOCAL_ALPHA = 0.25
AUTOBALANCE_KEEP = 0.9999
AUTOBALANCE_STRIDE = 16  # the level whose weight autobalance holds at 1


class LossTerms(NamedTuple):
    """`total` is to be differentiated: the sum of the terms times the batch size. `items`: box, objectness, class.

    (3,)
    """

    total: torch.Tensor
    items: torch.Tensor


class _Means(NamedTuple):
    """How the terms of a level become means over `images` and matches: of this process, or its part of those of all.

    `matches` are those of all processes; None: this one is alone.
    """

    images: int | torch.Tensor
    matches: torch.Tensor | None = None

    def over_matches(self, values: torch.Tensor, valid: torch.Tensor | None) -> torch.Tensor:
        """Mean over the real rows; 0 when there is none."""
        if self.matches is None and valid is None:
            return values.mean()
        total = values.sum() if valid is None else torch.where(valid, values, 0).sum()
        if self.matches is not None:
            return total / self.matches.to(total.dtype)
        assert valid is not None  # see above
        return total / valid.sum().clamp(min=1)

    def over_answers(self, losses: torch.Tensor) -> torch.Tensor:
        """Mean over all answers of all images. (B, A, H, W)"""
        if self.matches is None:
            return losses.mean()
        return losses.sum() / (losses.shape[1:].numel() * self.images)


class DetectionLoss:
    """Rules, anchors and (when autobalancing) a moving balance."""

    def __init__(self, rules: LossRules, anchors: torch.Tensor, strides: tuple[int, ...], num_classes: int) -> None:
        self.rules = rules
        self.anchors = anchors  # (L, A, 2) in cells
        self.num_classes = num_classes
        self.balance = torch.tensor(rules.balance, device=anchors.device)
        self._fixed_shapes = is_cuda(anchors.device)  # a GPU need not tell the host how many matches there are
        self.across: Sum | None = None  # over all processes that train together, which share their normalisers
        self._class_weights = torch.tensor(rules.class_weights, device=anchors.device) if rules.class_weights else None
        self._anchor_level = (
            strides.index(AUTOBALANCE_STRIDE) if rules.autobalance and AUTOBALANCE_STRIDE in strides else 0
        )

    def __call__(self, maps: HeadMaps, targets: torch.Tensor, regions: torch.Tensor | None = None) -> LossTerms:
        """Loss of a batch. targets (N, 6): image, class, cx, cy, w, h normalised.

        Regions (R, 5) to ignore: image, cx, cy, w, h.

        An answer about background with the centre of its cell in a region adds nothing to objectness. The mean stays
        one over all answers, so that what is outside a region weighs the same with and without it.
        """
        matches = [self._matches(maps, level, targets) for level in range(maps.num_levels)]
        means = self._means(matches, maps)
        terms = [self._level(maps, level, matches[level], means[level], regions) for level in range(maps.num_levels)]
        box, objectness, classes = (torch.stack(column) for column in zip(*terms, strict=True))
        gains = self.rules.box, self.rules.obj, self.rules.cls
        parts = box.sum() * gains[0], (objectness * self.balance).sum() * gains[1], classes.sum() * gains[2]
        if self.rules.autobalance and torch.is_grad_enabled():  # a validation looks on
            self._rebalance(self._whole(objectness.detach()))
        batch_size = means[0].images
        return LossTerms((parts[0] + parts[1] + parts[2]) * batch_size, torch.stack(parts).detach())

    def without_images(self) -> None:
        """Take part in the exchanges of a batch that has no image for this process."""
        if self.across is not None:
            levels = len(self.anchors)
            self.across(self.balance.new_zeros(levels + 1))
            if self.rules.autobalance:
                self._rebalance(self._whole(self.balance.new_zeros(levels)))

    def _matches(self, maps: HeadMaps, level: int, targets: torch.Tensor) -> Matches:
        shape = maps.grid(level)[2:]
        return assign(targets, self.anchors[level], shape, self.rules.anchor_t, fixed_shapes=self._fixed_shapes)

    def _means(self, matches: list[Matches], maps: HeadMaps) -> list[_Means]:
        """How terms become means, by level: over the images and matches of this process, or of all together."""
        images = maps.grid(0)[0]
        if self.across is None or not torch.is_grad_enabled():  # a validation is that of one process
            return [_Means(images) for _ in matches]
        own = [len(one.boxes) if one.valid is None else one.valid.sum() for one in matches]
        counts = self.across(torch.stack([torch.as_tensor(n, device=self.balance.device) for n in (*own, images)]))
        counts = counts.to(self.balance)
        return [_Means(counts[-1], counts[level].clamp(1)) for level in range(len(matches))]

    def _whole(self, values: torch.Tensor) -> torch.Tensor:
        """Of all processes."""
        return values if self.across is None else self.across(values).to(values)

    def _level(
        self, maps: HeadMaps, level: int, matches: Matches, means: _Means, regions: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Unweighted box, objectness and class loss of one level."""
        objectness, rows = maps.answers(level, matches.cells)
        box = classes = objectness.new_zeros(())
        wanted = torch.zeros_like(objectness)
        if len(rows):
            overlap = rowwise(*_boxes(rows, matches), kind=self.rules.box_loss)
            box = means.over_matches(1 - overlap, matches.valid)
            wanted = self._objectness_target(wanted, matches, overlap.detach().clamp(0))
            classes = self._class_loss(rows[:, 4:], matches, means) if self.num_classes > 1 else classes
        losses = self._bce(objectness, wanted, self.rules.obj_pos_weight)
        if regions is not None:
            losses = losses.masked_fill(ignored_answers(regions, matches, maps.grid(level)), 0)
        return box, means.over_answers(losses), classes

    def _objectness_target(self, zeros: torch.Tensor, matches: Matches, overlap: torch.Tensor) -> torch.Tensor:
        """Overlap at the matched cells, 0 elsewhere. Of several on one cell the last counts, or the best.

        (B, A, H, W)
        """
        _, a, h, w = zeros.shape
        cells = matches.cells
        place = ((cells.image * a + cells.anchor) * h + cells.row) * w + cells.column
        value = (1 - self.rules.overlap_share) + self.rules.overlap_share * overlap
        order = torch.arange(len(place), device=place.device)
        if matches.valid is not None:
            value, order = torch.where(matches.valid, value, 0), torch.where(matches.valid, order, -1)
        flat = zeros.flatten()
        if self.rules.best_overlap_wins:
            return flat.scatter_reduce(0, place, value, "amax").view_as(zeros)
        last = torch.full_like(flat, -1, dtype=torch.long).scatter_reduce(0, place, order, "amax")
        winner = (last[place] == order) & (order >= 0)
        return flat.scatter_add(0, place, torch.where(winner, value, 0)).view_as(zeros)

    def _class_loss(self, logits: torch.Tensor, matches: Matches, means: _Means) -> torch.Tensor:
        """Mean over matches and classes, those of an object times the weight of its class. logits (K, C)"""
        eps = self.rules.label_smoothing
        wanted = torch.full_like(logits, eps / 2).scatter(1, matches.classes[:, None], 1 - eps / 2)
        losses = self._bce(logits, wanted, self.rules.cls_pos_weight).mean(1)
        weighted = losses if self._class_weights is None else losses * self._class_weights[matches.classes]
        return means.over_matches(weighted, matches.valid)

    def _bce(self, logits: torch.Tensor, wanted: torch.Tensor, pos_weight: float) -> torch.Tensor:
        """Binary cross-entropy per element, focal when asked."""
        weight = None if pos_weight == 1 else logits.new_tensor(pos_weight)
        loss = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none", pos_weight=weight)
        if self.rules.focal_gamma <= 0:
            return loss
        share = logits.sigmoid()
        agreement = wanted * share + (1 - wanted) * (1 - share)
        alpha = wanted * FOCAL_ALPHA + (1 - wanted) * (1 - FOCAL_ALPHA)
        return loss * alpha * (1 - agreement) ** self.rules.focal_gamma

    def _rebalance(self, losses: torch.Tensor) -> None:
        """Levels that are learnt already weigh more slowly; the stride-16 level stays at 1."""
        moved = self.balance * AUTOBALANCE_KEEP + (1 - AUTOBALANCE_KEEP) / losses
        self.balance = moved / moved[self._anchor_level]


def _boxes(rows: torch.Tensor, matches: Matches) -> tuple[torch.Tensor, torch.Tensor]:
    """Predicted and wanted boxes relative to their cell. (K, 4) cxcywh each"""
    share = rows[:, :4].sigmoid()
    predicted = torch.cat((share[:, :2] * 2 - 0.5, (share[:, 2:] * 2) ** 2 * matches.anchors_wh), 1)
    return predicted, matches.boxes
