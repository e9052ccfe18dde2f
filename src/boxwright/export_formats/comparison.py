# SPDX-License-Identifier: Apache-2.0
"""Whether two networks say the same. M and N detections; a row is x1, y1, x2, y2, score, class."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from boxwright.geometry.iou import pairwise as pairwise_iou
from boxwright.geometry.nms import NmsRules, candidates, detections


class Limits(NamedTuple):
    """`raw`: of a probability; of a coordinate per pixel of its value, where that is above one.

    `unequal`: share of detections.
    """

    raw: float
    unequal: float


FULL = Limits(1e-4, 0.0)  # float32 has seven digits, and a network takes two or three of them
HALF = Limits(5e-2, 0.02)  # eleven bits: measured 0.011 on real images; a decision of suppression may fall otherwise
CORNER_FACTOR = 4.0  # a corner is a centre and half a side, each of which may be off


@dataclass
class Comparison:
    """What was compared so far: the largest distance of raw predictions, None without any.

    Detections, and those without an equal.
    """

    limits: Limits
    images: int = 0
    distance: float | None = None
    detections: int = 0
    unequal: int = 0

    @property
    def fault(self) -> str:
        """Why it is not the same network; '' when it is."""
        if self.distance is not None and not self.distance <= self.limits.raw:
            return f"predictions differ by {self.distance:.3g} where {self.limits.raw:g} is allowed"
        return (
            f"{self.unequal} of {self.detections} detections differ"
            if self.unequal > self.limits.unequal * self.detections
            else ""
        )

    def take_predictions(self, reference: torch.Tensor, other: torch.Tensor, rules: NmsRules) -> None:
        """Raw predictions of one batch, and the detections that they come to. (B, P, 5 + C)"""
        self.images += len(reference)
        self.distance = max(self.distance or 0.0, relative_distance(reference, other))
        if self.distance <= self.limits.raw:
            best = float((reference[..., 5:] * reference[..., 4:5]).max())
            lowered = replace(
                rules, min_score=min(rules.min_score, best / 2)
            )  # something to compare even where nothing is sure
            for one, another in zip(reference, other, strict=True):
                self._take(one, detections(another, lowered)[0], lowered)

    def take_rows(self, reference: torch.Tensor, rows: torch.Tensor, rules: NmsRules) -> None:
        """Raw predictions of one batch and what suppression in the graph made of them.

        (B, P, 5 + C), (B, max_det, 6)
        """
        self.images += len(reference)
        for one, another in zip(reference, rows, strict=True):
            self._take(one, another[another[:, 4] > 0], rules)

    def _take(self, prediction: torch.Tensor, other: torch.Tensor, rules: NmsRules) -> None:
        reference = detections(prediction, rules)[0]
        found = candidates(prediction, replace(rules, multi_label=True, max_candidates=prediction[:, 5:].numel()))
        self.detections += len(reference)
        offered = torch.cat((found.boxes_xyxy, found.scores[:, None], found.classes[:, None]), 1)
        self.unequal += num_unequal(reference, other, offered, self.limits.raw, rules)


def relative_distance(reference: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference in units of the value, at least 1.

    Infinite for other shapes and where one is no number.
    """
    if reference.shape != other.shape:
        return math.inf
    gaps = (reference.double() - other.double()).abs() / reference.double().abs().clamp(min=1)
    return float(torch.nan_to_num(gaps, nan=math.inf, posinf=math.inf).max()) if gaps.numel() else 0.0


def num_unequal(
    reference: torch.Tensor, other: torch.Tensor, offered: torch.Tensor, limit: float, rules: NmsRules
) -> int:
    """Detections of either side without an equal on the other.

    (M, 6), (N, 6); `offered` (K, 6) are all that the reference could say.

    What a difference within the limit may decide does not count: who is above the least score or among the first
    `max_det`, which of two that score alike suppresses the other, an overlap at the threshold, and what follows for
    those that they overlap.
    """
    lasts = [float(rows[:, 4].min()) for rows in (reference, other) if len(rows) == rules.max_det]
    sure = max([rules.min_score, *lasts]) + limit
    alike = _near(reference, other, limit) & (reference[:, None, 5] == other[None, :, 5])
    made_up = ~(_near(other, offered, limit) & (other[:, None, 5] == offered[None, :, 5])).any(1)
    left, right = ~alike.any(1) & (reference[:, 4] > sure), ~alike.any(0) & (other[:, 4] > sure)
    single = torch.cat((reference[left], other[right & ~made_up]))
    return int((right & made_up).sum()) + int(
        (~_undecided(single, torch.cat((reference, other)), limit, rules.max_iou)).sum()
    )


def _near(rows: torch.Tensor, others: torch.Tensor, limit: float) -> torch.Tensor:
    """Pairs with the same box and score. (M, 6), (N, 6) -> (M, N)"""
    scale = rows[:, None, :4].abs().amax(-1, keepdim=True).clamp(min=1)  # one side of a large box may lie at 0
    boxes = ((rows[:, None, :4] - others[None, :, :4]).abs() <= CORNER_FACTOR * limit * scale).all(-1)
    return boxes & ((rows[:, None, 4] - others[None, :, 4]).abs() <= limit)


def _undecided(single: torch.Tensor, everything: torch.Tensor, limit: float, max_iou: float) -> torch.Tensor:
    """Which of those without an equal hang on a decision that the limit leaves open. (S, 6) -> (S,)"""
    overlap = pairwise_iou(single[:, :4], single[:, :4])
    touching = (overlap > max_iou - CORNER_FACTOR * limit) & ~torch.eye(len(single), dtype=torch.bool)
    open_ = (touching & ((single[:, None, 4] - single[None, :, 4]).abs() <= limit)).any(1)
    open_ |= ((pairwise_iou(single[:, :4], everything[:, :4]) - max_iou).abs() <= CORNER_FACTOR * limit).any(1)
    for _ in range(len(single)):  # one more link of a chain in every round
        open_ |= (touching & open_[None]).any(1)
    return open_
