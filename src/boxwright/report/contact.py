# SPDX-License-Identifier: Apache-2.0
"""Predictions beside the truth, for people: what was found, what was missed, what is not there.

L labels, M detections.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from boxwright.drawing.boxes import Style, draw_boxes
from boxwright.drawing.captions import text_width
from boxwright.drawing.legend import captions_hide
from boxwright.drawing.palette import COLOURS, Colour
from boxwright.drawing.sheet import fitted, side_by_side, text_line
from boxwright.metrics.confusion import MIN_CONFIDENCE, MIN_IOU, one_to_one
from boxwright.metrics.matching import overlapping_pairs
from boxwright.report.canvas import caption_of
from boxwright.structures.detections import Detections

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL_PX = 560
LEGEND_PX = 18  # height of its letters


class Outcome(NamedTuple):
    """How a box is drawn, and what that means."""

    ink: Colour
    style: Style
    meaning: str


BLUE, RED, GREEN = COLOURS[:3]
FOUND = Outcome(GREEN, "solid", "found, and rightly")
MISSED = Outcome(BLUE, "dashed", "missed")
FALSE = Outcome(RED, "dashed", "predicted, but not there or of another class")


def contact_sheet(
    images_rgb: Sequence[np.ndarray],
    detections: Sequence[Detections],
    truths: Sequence[np.ndarray],
    *,
    min_score: float = MIN_CONFIDENCE,
    max_images: int = 12,
) -> np.ndarray:
    """Pairs of truth and prediction with a legend.

    (H, W, 3) uint8 each, Detections, (L, 5) class, x1, y1, x2, y2 px -> (h, w, 3) uint8

    A detection is right where it overlaps a label of its class, as in the confusion matrix; each label counts once.
    """
    left, right, texts = [], [], []
    for image_rgb, found, truth in list(zip(images_rgb, detections, truths, strict=True))[:max_images]:
        sure = found.filter(min_score=min_score)
        of_labels, of_detections = outcomes(sure, truth)
        left.append(
            _drawn(
                image_rgb, truth[:, 1:5], [caption_of(found.names, int(number)) for number in truth[:, 0]], of_labels
            )
        )
        captions = [
            f"{caption_of(found.names, int(number))} {score:.2f}".strip()
            for number, score in zip(sure.classes, sure.scores, strict=True)
        ]
        right.append(_drawn(image_rgb, sure.boxes_xyxy_px, captions, of_detections))
        counts = of_labels.count(FOUND), of_labels.count(MISSED), of_detections.count(FALSE)
        texts.append("{}   {} found, {} missed, {} false".format(PurePath(found.path).name, *counts).strip())
    sheet = side_by_side(left, right, ("truth", "prediction"), texts, cell_px=CELL_PX)
    return np.concatenate((sheet, _legend(sheet.shape[1]))) if left else sheet


def outcomes(detections: Detections, truth: np.ndarray) -> tuple[list[Outcome], list[Outcome]]:
    """What became of every label and every detection of one image. truth (L, 5)"""
    pairs = overlapping_pairs(
        detections.boxes_xyxy_px.astype(np.float64),
        detections.classes,
        truth[:, 1:5].astype(np.float64),
        truth[:, 0].astype(np.int64),
        MIN_IOU,
    )
    matched = one_to_one(pairs)
    labels, rows = set(matched.label.tolist()), set(matched.detection.tolist())
    return [FOUND if i in labels else MISSED for i in range(len(truth))], [
        FOUND if i in rows else FALSE for i in range(len(detections))
    ]


def _drawn(image_rgb: np.ndarray, boxes_xyxy_px: np.ndarray, captions: list[str], results: list[Outcome]) -> np.ndarray:
    """The image as large as its cell, with boxes; the faults get the best places for their captions."""
    cell = fitted(image_rgb, CELL_PX)
    gain = np.tile((cell.shape[1] / max(image_rgb.shape[1], 1), cell.shape[0] / max(image_rgb.shape[0], 1)), 2)
    order = sorted(range(len(results)), key=lambda i: results[i] is FOUND)
    chosen = [results[i] for i in order]
    boxes = boxes_xyxy_px[order].reshape(-1, 4) * gain
    hide = captions_hide(cell, boxes, captions)  # the colours say what became of each, and the legend what they mean
    return draw_boxes(
        cell,
        boxes,
        ["" if hide else captions[i] for i in order],
        [result.ink for result in chosen],
        style=[result.style for result in chosen],
    )


def _legend(width_px: int) -> np.ndarray:
    """A line of samples with their meaning. (h, width_px, 3) uint8"""
    line = np.concatenate([_sample(outcome) for outcome in (FOUND, MISSED, FALSE)], axis=1)
    legend = np.full((line.shape[0] + LEGEND_PX, max(width_px, 1), 3), 255, np.uint8)
    shown = line[:, : max(width_px - LEGEND_PX, 0)]
    legend[: line.shape[0], LEGEND_PX : LEGEND_PX + shown.shape[1]] = shown
    return legend


def _sample(outcome: Outcome) -> np.ndarray:
    text = text_line(outcome.meaning, text_width(outcome.meaning, LEGEND_PX) + 2 * LEGEND_PX, LEGEND_PX)
    height = text.shape[0]
    patch = np.full((height, 3 * height, 3), 255, np.uint8)
    box = np.array([[4, 6, 3 * height - LEGEND_PX, height - 6]])
    return np.concatenate((draw_boxes(patch, box, [""], [outcome.ink], 2, style=outcome.style), text), axis=1)
