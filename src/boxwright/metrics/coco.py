# SPDX-License-Identifier: Apache-2.0
"""The twelve numbers of the COCO protocol, from flat arrays: no annotation file, any label format.

M detections, L labels, G groups (an image and a class), T IoU thresholds, A ranges of area, C classes that have labels.
Detections of all groups are matched side by side, one rank of confidence at a time; curves are read at true positives
only, because nothing else can change an envelope. Equal to the official evaluator on the same numbers
(`tests/unit/metrics/test_coco.py`).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from boxwright.metrics.matching import IOU_THRESHOLDS, Pairs, joined

RECALL_POINTS = np.linspace(0.0, 1.0, 101)
AREAS = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}  # square pixels, as COCO draws the lines
MAX_DETECTIONS = (1, 10, 100)  # per image and class
CEILING = 1 - 1e-10  # a threshold of exactly 1 would be lost to rounding
NOTHING = -1.0  # what the protocol says where there is nothing to measure
EPS = float(np.spacing(1.0))
NAMES = (
    "AP",
    "AP50",
    "AP75",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AR1",
    "AR10",
    "AR100",
    "AR_small",
    "AR_medium",
    "AR_large",
)


@dataclass(frozen=True)
class CocoInput:
    """Rows of all images.

    Boxes are xyxy in native pixels; images are numbers whose order breaks ties between equal confidences.
    """

    detections: np.ndarray  # (M, 6) xyxy, confidence, class
    detection_images: np.ndarray  # (M,)
    labels: np.ndarray  # (L, 5) class, xyxy
    label_images: np.ndarray  # (L,)
    crowd: np.ndarray | None = None  # (L,) bool: regions that may absorb any number of detections
    areas: np.ndarray | None = None  # (L,) of the objects, in square pixels; else those of their boxes


@dataclass(frozen=True)
class CocoScores:
    """Average precision and recall by COCO's rule. -1 where there is nothing to measure."""

    classes: np.ndarray  # (C,)
    precision: np.ndarray  # (C, T, A) average precision
    recall: np.ndarray  # (C, T, A) highest recall with 100 detections per image
    recall_few: np.ndarray  # (C, T, 2) with 1 and with 10, over all areas

    def numbers(self) -> dict[str, float]:
        """The twelve, by name."""
        p, r = self.precision, self.recall
        half, three_quarters = p[:, :1, 0], p[:, 5:6, 0]  # IoU 0.50 and 0.75
        cells = [p[:, :, 0], half, three_quarters, p[:, :, 1], p[:, :, 2], p[:, :, 3]]
        cells += [self.recall_few[:, :, 0], self.recall_few[:, :, 1], r[:, :, 0], r[:, :, 1], r[:, :, 2], r[:, :, 3]]
        return {name: _mean(values) for name, values in zip(NAMES, cells, strict=True)}

    def by_class(self) -> dict[int, dict[str, float]]:
        """AP and its sizes of each class."""
        return {
            int(number): {
                name: _mean(self.precision[row, :, area])
                for area, name in enumerate(("AP", "AP_small", "AP_medium", "AP_large"))
            }
            for row, number in enumerate(self.classes)
        }


def _mean(values: np.ndarray) -> float:
    there = values[values > NOTHING]
    return float(there.mean()) if there.size else NOTHING


def coco_scores(given: CocoInput) -> CocoScores:
    """Evaluate."""
    rows = _Rows.of(given)
    matched = _match(rows)
    return _accumulate(rows, matched)


@dataclass(frozen=True)
class _Rows:
    """Detections ordered by class and falling confidence, at most 100 of a group; labels as they came.

    What overlaps what.
    """

    classes: np.ndarray  # (M,)
    ranks: np.ndarray  # (M,) within the group
    groups: np.ndarray  # (M,)
    inside: np.ndarray  # (A, M) whether the detection's own area lies in the range
    label_classes: np.ndarray  # (L,)
    crowd: np.ndarray  # (L,)
    ignored: np.ndarray  # (A, L) labels that count for nothing in this range
    pairs: Pairs  # every pair of a group that overlaps by 0.5 or more

    @classmethod
    def of(cls, given: CocoInput) -> _Rows:
        found, labels = (
            np.asarray(given.detections, np.float64).reshape(-1, 6),
            np.asarray(given.labels, np.float64).reshape(-1, 5),
        )
        crowd = np.zeros(len(labels), bool) if given.crowd is None else np.asarray(given.crowd, bool)
        found_classes, label_classes = found[:, 5].astype(np.int64), labels[:, 0].astype(np.int64)
        span = int(max(found_classes.max(initial=0), label_classes.max(initial=0))) + 1
        groups, label_groups = (
            given.detection_images.astype(np.int64) * span + found_classes,
            given.label_images.astype(np.int64) * span + label_classes,
        )
        ranks = _ranks(groups, found[:, 4])
        order = np.lexsort((ranks, given.detection_images, -found[:, 4], found_classes))
        order = order[ranks[order] < MAX_DETECTIONS[-1]]
        boxes, label_boxes = _xywh(found[order, :4]), _xywh(labels[:, 1:])
        label_areas = (
            label_boxes[:, 2] * label_boxes[:, 3] if given.areas is None else np.asarray(given.areas, np.float64)
        )
        detection, label = joined(groups[order], label_groups)
        overlap = _overlap(boxes[detection], label_boxes[label], crowd[label])
        enough = overlap >= IOU_THRESHOLDS[0]
        return cls(
            classes=found_classes[order],
            ranks=ranks[order],
            groups=groups[order],
            inside=~_outside(boxes[:, 2] * boxes[:, 3]),
            label_classes=label_classes,
            crowd=crowd,
            ignored=_outside(label_areas) | crowd,
            pairs=Pairs(detection[enough], label[enough], overlap[enough]),
        )


def _xywh(boxes_xyxy: np.ndarray) -> np.ndarray:
    return np.concatenate((boxes_xyxy[:, :2], boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]), axis=1)


def _outside(areas: np.ndarray) -> np.ndarray:
    """(A, ...)"""
    return np.stack([(areas < low) | (areas > high) for low, high in AREAS.values()])


def _overlap(first: np.ndarray, second: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """IoU of rows, in COCO's arithmetic: with a crowd it is the share of the detection that lies in it.

    (K, 4) xywh each
    """
    side = np.minimum(first[:, :2] + first[:, 2:], second[:, :2] + second[:, 2:]) - np.maximum(
        first[:, :2], second[:, :2]
    )
    intersection = np.where((side > 0).all(axis=1), side[:, 0] * side[:, 1], 0.0)
    area = first[:, 2] * first[:, 3]
    union = np.where(crowd, area, area + second[:, 2] * second[:, 3] - intersection)
    result: np.ndarray = np.divide(intersection, union, out=np.zeros_like(union), where=intersection > 0)
    return result


def _ranks(groups: np.ndarray, confidences: np.ndarray) -> np.ndarray:
    """The place of each detection within its group, best first, equal ones as they came. (M,)"""
    order = np.lexsort((-confidences, groups))
    ranks = np.empty(len(order), np.int64)
    ranks[order] = _places(groups[order])
    return ranks


def _places(sorted_groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within every run of equal numbers. (M,)"""
    starts = (
        np.flatnonzero(np.concatenate(([True], sorted_groups[1:] != sorted_groups[:-1])))
        if len(sorted_groups)
        else np.zeros(0, np.int64)
    )
    return np.arange(len(sorted_groups)) - np.repeat(starts, np.diff(np.append(starts, len(sorted_groups))))


class _Matched(NamedTuple):
    """Of the K detections that overlap something: which found a label that counts, and which one that does not.

    (T, A, K)
    """

    rows: np.ndarray  # (K,) places among the detections, ascending
    true: np.ndarray
    ignored: np.ndarray


def _match(rows: _Rows) -> _Matched:
    """Each detection, best first, takes the free label of highest overlap.

    One that counts goes before one that does not.
    """
    pairs = rows.pairs
    # within a detection by rising overlap, equal ones as labels came: the last of those that may be taken is the one
    order = np.lexsort((pairs.label, pairs.iou, pairs.detection))
    detection, label, iou = pairs.detection[order], pairs.label[order], pairs.iou[order]
    found, first = np.unique(detection, return_index=True)
    shape = len(IOU_THRESHOLDS), len(AREAS)
    true, ignored = np.zeros((*shape, len(found)), bool), np.zeros((*shape, len(found)), bool)
    taken = np.zeros((*shape, len(rows.crowd)), bool)
    counts = np.diff(np.append(first, len(detection)))
    turn = _turns(rows.groups[found], rows.ranks[found])
    by_turn = np.argsort(turn, kind="stable")
    ends = np.searchsorted(turn[by_turn], np.arange(int(turn.max(initial=-1)) + 2))
    thresholds = np.minimum(IOU_THRESHOLDS, CEILING)[:, None, None]
    for begin, end in itertools.pairwise(ends):
        mine = by_turn[begin:end]  # one detection of every group that has one left
        place = np.arange(counts[mine].sum()) - np.repeat(np.cumsum(counts[mine]) - counts[mine], counts[mine])
        at = np.repeat(first[mine], counts[mine]) + place
        labels = label[at]
        free = (iou[at] >= thresholds) & (~taken[:, :, labels] | rows.crowd[labels])
        merit = np.where(free, place + 1 + np.where(rows.ignored[:, labels], 0, len(label) + 1), 0)
        best = np.maximum.reduceat(merit, np.cumsum(counts[mine]) - counts[mine], axis=2)
        t, a, who = np.nonzero(best)
        merits = best[t, a, who]
        counts_for = merits > len(label)
        chosen = label[first[mine[who]] + (merits - 1) % (len(label) + 1)]
        taken[t, a, chosen] = True
        true[t, a, mine[who]] = counts_for
        ignored[t, a, mine[who]] = ~counts_for
    return _Matched(found, true, ignored)


def _turns(groups: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """In which round a detection chooses: its place among those of its group that overlap anything. (K,)"""
    order = np.lexsort((ranks, groups))
    turns = np.empty(len(order), np.int64)
    turns[order] = _places(groups[order])
    return turns


def _accumulate(rows: _Rows, matched: _Matched) -> CocoScores:
    classes = np.unique(rows.label_classes)
    shape = len(classes), len(IOU_THRESHOLDS), len(AREAS)
    precision, recall, few = np.full(shape, NOTHING), np.full(shape, NOTHING), np.full((*shape[:2], 2), NOTHING)
    ends = np.searchsorted(rows.classes, classes), np.searchsorted(rows.classes, classes, "right")
    mine = rows.classes[matched.rows]
    for row, (number, begin, end) in enumerate(zip(classes, *ends, strict=True)):
        part = slice(*np.searchsorted(mine, (number, number + 1)))
        total = (~rows.ignored[:, rows.label_classes == number]).sum(axis=1)  # (A,)
        counted = _counted_before(rows.inside[:, begin:end], matched, part, int(begin))
        true, ranks = matched.true[:, :, part], rows.ranks[matched.rows[part]]
        for area in np.flatnonzero(total):
            precision[row, :, area] = [
                _average(true[t, area], counted[t, area], int(total[area])) for t in range(shape[1])
            ]
            recall[row, :, area] = true[:, area].sum(axis=1) / total[area]
        if total[0]:
            few[row] = np.stack(
                [(true[:, 0] & (ranks < most)).sum(axis=1) / total[0] for most in MAX_DETECTIONS[:2]], axis=1
            )
    return CocoScores(classes, precision, recall, few)


def _counted_before(inside: np.ndarray, matched: _Matched, part: slice, begin: int) -> np.ndarray:
    """How many detections that count stand at or before each matched one. inside (A, m) -> (T, A, k)

    One that found nothing counts where its own area lies in the range; one that found a label counts as the label does.
    """
    places = matched.rows[part] - begin
    plain = inside.cumsum(axis=1)[:, places]
    own = inside[:, places].astype(np.int64)
    counts = np.where(matched.true[:, :, part], 1, np.where(matched.ignored[:, :, part], 0, own))
    result: np.ndarray = plain + (counts - own).cumsum(axis=2)
    return result


def _average(true: np.ndarray, counted: np.ndarray, total: int) -> float:
    """The mean precision at 101 recalls, each the best at this recall or beyond, 0 where it is never reached."""
    at = np.flatnonzero(true)
    if not len(at):
        return 0.0
    precision = np.arange(1, len(at) + 1) / (counted[at] + EPS)
    best_beyond = np.maximum.accumulate(precision[::-1])[::-1]
    needed = np.searchsorted(np.arange(1, len(at) + 1) / total, RECALL_POINTS, "left")
    return float(np.append(best_beyond, 0.0)[needed].sum() / len(RECALL_POINTS))
