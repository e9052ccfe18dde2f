# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression: from a dense prediction to the detections of one image. No clock, no silent limit.

P predictions per image, C classes, K candidates, M detections kept. A detection row is x1, y1, x2, y2, score, class.
The walk goes through the candidates in order of score in blocks; inside a block the greedy answer is found as the
fixed point of "kept = no kept box before me overlaps me", which a matrix does at once. It stops at `max_det` survivors.
On the CPU the compiled kernel does the same in one call, with the same float32 arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch

from boxwright.geometry.boxes import cxcywh_to_xyxy
from boxwright.native import suppression
from boxwright.native.binary import applies_to

PARITY_SHIFT_PX = 7680.0  # the family's way to keep classes apart: boxes moved by class times this, in float32
BLOCK = 512
FIRST_BLOCK = 128


@dataclass(frozen=True)
class NmsRules:
    """What counts as a detection.

    `parity` repeats the family's float32 shift; otherwise classes are compared exactly.
    """

    min_score: float = 0.25
    max_iou: float = 0.45
    max_det: int = 300
    multi_label: bool = False
    classes: tuple[int, ...] | None = None
    agnostic: bool = False
    parity: bool = False
    max_candidates: int = 30_000


class Candidates(NamedTuple):
    """Boxes that enter suppression, best score first, and how many the cap left out."""

    boxes_xyxy: torch.Tensor  # (K, 4)
    scores: torch.Tensor  # (K,)
    classes: torch.Tensor  # (K,) int64
    num_capped: int


def detections(
    prediction: torch.Tensor, rules: NmsRules, priors: torch.Tensor | None = None
) -> tuple[torch.Tensor, int]:
    """Detections of one image, (M, 6), best first, and how many candidates the cap left out.

    `prediction` is (P, 5 + C): cxcywh in pixels, objectness, class scores. `priors` (L, 5), class and cxcywh, join as
    certain predictions.
    """
    if applies_to(prediction) and prediction.dtype == torch.float32:
        return _compiled(prediction, rules, priors)
    found = candidates(prediction, rules, priors)
    kept = suppress(found.boxes_xyxy, found.scores, found.classes, rules)
    columns = (found.boxes_xyxy[kept], found.scores[kept, None], found.classes[kept, None].to(found.scores.dtype))
    return torch.cat(columns, dim=1), found.num_capped


def _compiled(prediction: torch.Tensor, rules: NmsRules, priors: torch.Tensor | None) -> tuple[torch.Tensor, int]:
    """The same in one call of the kernel."""
    if priors is not None and len(priors):
        prediction = torch.cat((prediction, _certain(priors, prediction.shape[1] - 5, prediction)))
    shift = PARITY_SHIFT_PX if rules.parity else 0.0
    limits = suppression.Limits(
        rules.min_score, rules.max_iou, rules.multi_label, rules.agnostic, shift, rules.max_candidates, rules.max_det
    )
    rows, capped = suppression.suppress(prediction.detach().numpy(), limits, rules.classes)
    return torch.from_numpy(rows), capped


def candidates(prediction: torch.Tensor, rules: NmsRules, priors: torch.Tensor | None = None) -> Candidates:
    """Rows whose objectness and score pass, as one candidate per class over the limit or per best class."""
    num_classes = prediction.shape[1] - 5
    passed = prediction[prediction[:, 4] > rules.min_score]
    if priors is not None and len(priors):
        passed = torch.cat((passed, _certain(priors, num_classes, passed)))
    scores = passed[:, 5:] * passed[:, 4:5]
    if rules.multi_label and num_classes > 1:
        rows, classes = (scores > rules.min_score).nonzero(as_tuple=True)
        best = scores[rows, classes]
    else:
        best, classes = scores.max(dim=1)
        rows = (best > rules.min_score).nonzero()[:, 0]
        best, classes = best[rows], classes[rows]
    if rules.classes is not None:
        wanted = torch.isin(classes, torch.tensor(rules.classes, device=classes.device))
        rows, best, classes = rows[wanted], best[wanted], classes[wanted]
    order = best.argsort(descending=True, stable=True)
    capped = max(len(order) - rules.max_candidates, 0)
    order = order[: rules.max_candidates]
    return Candidates(cxcywh_to_xyxy(passed[rows[order], :4]), best[order], classes[order], capped)


def _certain(priors: torch.Tensor, num_classes: int, like: torch.Tensor) -> torch.Tensor:
    """Labels as predictions with objectness 1 and one certain class. (L, 5 + C)"""
    rows = like.new_zeros((len(priors), 5 + num_classes))
    rows[:, :4], rows[:, 4] = priors[:, 1:5], 1.0
    rows[torch.arange(len(priors)), 5 + priors[:, 0].long()] = 1.0
    return rows


def suppress(boxes_xyxy: torch.Tensor, scores: torch.Tensor, classes: torch.Tensor, rules: NmsRules) -> torch.Tensor:
    """Indices of the boxes that stay, in the given order, which has to be by falling score. At most `max_det`."""
    if rules.agnostic:
        groups = torch.zeros_like(classes)
    elif rules.parity:
        boxes_xyxy = boxes_xyxy + (classes.to(boxes_xyxy.dtype) * PARITY_SHIFT_PX)[:, None]
        groups = torch.zeros_like(classes)
    else:
        groups = classes
    kept = torch.empty(0, dtype=torch.long, device=boxes_xyxy.device)
    start, length = 0, FIRST_BLOCK
    while start < len(scores) and len(kept) < rules.max_det:
        block = torch.arange(start, min(start + length, len(scores)), device=boxes_xyxy.device)
        if len(kept):
            hit = _overlap(boxes_xyxy, groups, block, kept, rules.max_iou)
            block = block[~hit.any(dim=1)]
        clash = _overlap(boxes_xyxy, groups, block, block, rules.max_iou)
        kept = torch.cat((kept, block[_fixed_point(clash)]))
        start, length = start + length, BLOCK
    return kept[: rules.max_det]


def _overlap(
    boxes_xyxy: torch.Tensor, groups: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, max_iou: float
) -> torch.Tensor:
    """Which pairs of one group overlap too much. (R, S) bool.

    Two boxes without area have IoU 0/0, which is no overlap.
    """
    first, second = boxes_xyxy[rows], boxes_xyxy[columns]
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    side = (high - low).clamp_(min=0)
    intersection = side[..., 0] * side[..., 1]
    areas_first = (first[:, 2] - first[:, 0]) * (first[:, 3] - first[:, 1])
    areas_second = (second[:, 2] - second[:, 0]) * (second[:, 3] - second[:, 1])
    iou = intersection / (areas_first[:, None] + areas_second[None] - intersection)
    return (iou > max_iou) & (groups[rows, None] == groups[None, columns])


def _fixed_point(clash: torch.Tensor) -> torch.Tensor:
    """Greedy survivors of one block. (R, R) bool -> (R,) bool

    Each round settles at least the first box not yet settled, so it ends; in practice after two to five rounds.
    """
    earlier = clash.tril(diagonal=-1).float()
    stays = torch.ones(len(clash), dtype=torch.bool, device=clash.device)
    while True:
        again = (earlier @ stays.float()) == 0
        if torch.equal(again, stays):
            return stays
        stays = again
