# SPDX-License-Identifier: Apache-2.0
"""Where the missing mAP50 is: how much higher it would be if one kind of mistake were put right, and only that one.

The idea is that of TIDE (Bolya et al. 2020): every false positive gets one kind, each kind is repaired alone, the rest
stays. M detections of any confidence, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boxwright.metrics.curves import curves
from boxwright.metrics.flat import Flat
from boxwright.metrics.matching import iou_rows, joined
from boxwright.metrics.mistakes import BACKGROUND, BADLY_PLACED, DUPLICATE, MIN_TOUCH, MISSED, WRONG_CLASS
from boxwright.metrics.regions import hits_of, left_out

BOTH = "wrong class and badly placed"
FOUND = 0.5  # overlap at which an object counts as found
REPAIRS = (WRONG_CLASS, BADLY_PLACED, BOTH, DUPLICATE, BACKGROUND, MISSED)


@dataclass(frozen=True)
class _Scene:
    """Detections with their hits at IoU 0.5, the label each one points at, and the kind of each false one."""

    flat: Flat
    hits: np.ndarray  # (M,)
    target: np.ndarray  # (M,) label, -1 for none
    kind: np.ndarray  # (M,) '' for the right ones, and for those that count for nothing
    taken: np.ndarray  # (L,) labels that were found
    counts: np.ndarray  # (M,) what is not in a region to ignore


def gains(flat: Flat) -> dict[str, float]:
    """By kind of mistake, how much mAP50 its repair would add."""
    scene = _scene(flat)
    everything, plain = scene.counts, np.ones(len(flat.labels), bool)
    start = _map50(scene, scene.hits, everything, plain)
    found = {}
    for kind in REPAIRS:
        hits, kept, labels = scene.hits.copy(), everything.copy(), plain.copy()
        mine = np.flatnonzero(scene.kind == kind)
        if kind in {WRONG_CLASS, BADLY_PLACED}:
            kept[mine] = False
            free = mine[~scene.taken[scene.target[mine]]]
            best = free[np.argsort(-flat.detections[free, 4], kind="stable")]
            chosen = best[np.unique(scene.target[best], return_index=True)[1]]
            hits[chosen] = kept[chosen] = True
        elif kind == MISSED:
            pointed = scene.target[np.isin(scene.kind, (WRONG_CLASS, BADLY_PLACED))]
            labels = scene.taken | np.isin(np.arange(len(labels)), pointed)
        else:
            kept[mine] = False
        found[kind] = max(_map50(scene, hits, kept, labels) - start, 0.0)
    return found


def _map50(scene: _Scene, hits: np.ndarray, kept: np.ndarray, labels: np.ndarray) -> float:
    """mAP50 with these hits; a repaired detection has the class of what it points at."""
    rows, true = scene.flat.detections, scene.flat.labels[:, 0]
    classes = np.where(hits & ~scene.hits, true[np.maximum(scene.target, 0)] if len(true) else 0, rows[:, 5])
    found = curves(hits[kept][:, None], rows[kept, 4], classes[kept], true[labels])
    return float(found.average_precision.mean()) if len(found.classes) else 0.0


def _scene(flat: Flat) -> _Scene:
    found, labels = flat.detections, flat.labels
    right = hits_of(flat)
    hits, out = right[:, 0], left_out(flat, right)
    detection, label = joined(flat.detection_images, flat.label_images)
    iou = iou_rows(found[detection, :4], labels[label, 1:])
    touching = iou >= MIN_TOUCH
    detection, label, iou = detection[touching], label[touching], iou[touching]
    same = found[detection, 5] == labels[label, 0]
    own, other = (_highest(detection[side], label[side], iou[side], len(found)) for side in (same, ~same))
    kind = np.full(len(found), BACKGROUND, dtype="<U32")
    target = np.full(len(found), -1)
    for name, chosen, goal in (
        (BOTH, other[1] >= MIN_TOUCH, other[0]),
        (BADLY_PLACED, own[1] >= MIN_TOUCH, own[0]),
        (WRONG_CLASS, other[1] >= FOUND, other[0]),
        (DUPLICATE, own[1] >= FOUND, own[0]),
    ):
        kind[chosen], target[chosen] = name, goal[chosen]  # later lines say more
    counts = np.ones(len(found), bool) if out is None else ~out[:, 0]
    kind[hits | ~counts] = ""
    taken = np.zeros(len(labels), bool)
    taken[own[0][hits]] = True
    return _Scene(flat, hits, target, kind, taken, counts)


def _highest(
    detection: np.ndarray, label: np.ndarray, iou: np.ndarray, num_detections: int
) -> tuple[np.ndarray, np.ndarray]:
    """Of each detection the label of highest overlap, and the overlap. (M,), (M,)"""
    place, height = np.full(num_detections, -1), np.zeros(num_detections)
    order = np.argsort(iou, kind="stable")
    place[detection[order]], height[detection[order]] = label[order], iou[order]
    return place, height
