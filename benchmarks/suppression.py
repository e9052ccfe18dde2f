# SPDX-License-Identifier: Apache-2.0
"""Suppression at validation settings on a dense answer, against the greedy walk in torch and against OpenCV.

With classes moved apart.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from benchmarks.measure import Result, against
from boxwright.geometry.nms import NmsRules, candidates, detections
from boxwright.native.binary import portable
from tests.oracles import greedy_nms

RULES = NmsRules(min_score=0.001, max_iou=0.6, max_det=300, multi_label=True)
CLASSES = 80
APART = 4096.0  # pixels between classes, more than any picture here is wide


def run() -> list[Result]:
    dense = prediction()
    found = candidates(dense, RULES)
    assert len(found.scores) == RULES.max_candidates, len(found.scores)

    def ours() -> torch.Tensor:
        return detections(dense, RULES)[0]

    def without_compiler() -> torch.Tensor:
        with portable():
            return detections(dense, RULES)[0]

    def textbook() -> torch.Tensor:
        return greedy_nms.detections(dense, RULES.min_score, RULES.max_iou, RULES.max_det, RULES.max_candidates)

    assert torch.equal(ours(), textbook())
    assert torch.equal(ours(), without_compiler())
    _require_nearly(ours(), by_opencv(dense))
    name = f"suppression, 25,200 x {CLASSES}, {found.num_capped + len(found.scores):,} candidates"
    return [
        against(f"{name} / greedy walk in torch", ours, textbook, goal=40.0, rounds=5),
        against(f"{name}, portable / greedy walk in torch", without_compiler, textbook, goal=8.0, rounds=5),
        against(f"{name} / OpenCV", ours, lambda: by_opencv(dense), goal=10.0, rounds=5),
    ]


def prediction() -> torch.Tensor:
    """What a network answers early in a training: three levels, a few objects, low scores everywhere. (25200, 85)"""
    draw = np.random.default_rng(4)
    rows = []
    for stride, sides in ((8, (13, 23, 33)), (16, (45, 61, 90)), (32, (130, 180, 320))):
        y, x = np.meshgrid(*[(np.arange(640 // stride) + 0.5) * stride] * 2, indexing="ij")
        for side in sides:
            centres = np.stack((x, y), axis=-1).reshape(-1, 2)
            rows.append(
                np.concatenate(
                    (
                        centres + draw.normal(0, stride / 3, centres.shape),
                        side * np.exp(draw.normal(0, 0.3, centres.shape)),
                    ),
                    axis=1,
                )
            )
    boxes = np.concatenate(rows)
    objectness = 1 / (1 + np.exp(-draw.normal(-7.2, 1.7, (len(boxes), 1))))
    scores = 1 / (1 + np.exp(-draw.normal(-3.6, 1.0, (len(boxes), CLASSES))))
    return torch.from_numpy(np.concatenate((boxes, objectness, scores), axis=1).astype(np.float32))


def by_opencv(dense: torch.Tensor) -> np.ndarray:
    """The usual way with OpenCV: candidates by torch, boxes of each class moved away from the others, one call.

    (M, 6)
    """
    found = candidates(dense, RULES)
    boxes, scores, classes = found.boxes_xyxy.numpy(), found.scores.numpy(), found.classes.numpy()
    moved = boxes[:, :2] + classes[:, None] * APART
    kept = cv2.dnn.NMSBoxes(
        np.concatenate((moved, boxes[:, 2:] - boxes[:, :2]), axis=1), scores, RULES.min_score, RULES.max_iou
    )[: RULES.max_det]
    return np.concatenate((boxes[kept], scores[kept, None], classes[kept, None]), axis=1, dtype=np.float32)


def _require_nearly(mine: torch.Tensor, theirs: np.ndarray) -> None:
    """OpenCV rounds the moved coordinates: a few borderline boxes may differ."""
    same = {tuple(row) for row in mine.numpy().round(2)} & {tuple(row) for row in theirs.round(2)}
    assert len(same) >= 0.97 * len(mine), len(same)
