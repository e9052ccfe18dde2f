# SPDX-License-Identifier: Apache-2.0
"""Sheets of a batch as the network sees it: with its targets, or with what is predicted.

B images, N targets, R regions to ignore, M detections.
"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from boxwright.drawing.boxes import draw_boxes
from boxwright.drawing.legend import captions_hide, legend
from boxwright.drawing.palette import WHITE, colour
from boxwright.drawing.sheet import fitted, grid
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px
from boxwright.metrics.confusion import MIN_CONFIDENCE
from boxwright.report.canvas import caption_of, name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL_PX, LARGE_CELL_PX = 480, 720
FEW = 4  # images that get large cells
IGNORED = "ignored"
MAX_LEGEND, LEGEND_PX = 40, 18  # classes in a legend; height of its letters


def batch_sheet(
    images: np.ndarray,
    targets: np.ndarray,
    names: Sequence[str],
    paths: Sequence[str],
    max_images: int = 16,
    *,
    regions: np.ndarray | None = None,
) -> np.ndarray:
    """The first images of a batch with their targets, and regions to ignore in dashes.

    (B, 3, H, W) uint8 RGB, (N, 6) image, class, cx, cy, w, h normalised, (R, 5) likewise without class -> (h, w, 3)
    uint8
    """
    shown = images[:max_images]
    owners = targets[:, 0].astype(np.int64)
    cells, unnamed = [], set()
    for number, image in enumerate(shown):
        cell, _ = _cell(image, len(shown))
        mine = targets[owners == number]
        boxes = cxcywh_norm_to_xyxy_px(mine[:, 2:6].astype(np.float64), (cell.shape[0], cell.shape[1]))
        classes = mine[:, 1].astype(np.int64)
        if regions is not None:
            cell = _with_regions(cell, regions[regions[:, 0] == number, 1:])
        captions = _captions(cell, boxes, classes, names)
        unnamed |= set() if any(captions) else set(classes.tolist())
        cells.append(draw_boxes(cell, boxes, captions, [colour(int(number)) for number in classes]))
    return _sheet(cells, paths, unnamed, names)


def _captions(
    cell: np.ndarray, boxes: np.ndarray, classes: np.ndarray, names: Sequence[str], scores: np.ndarray | None = None
) -> list[str]:
    """What stands at the boxes: the class where there are several, and the score; nothing where it would hide them."""
    named = [caption_of(names, int(number)) for number in classes]
    captions = (
        named if scores is None else [f"{name} {score:.2f}".strip() for name, score in zip(named, scores, strict=True)]
    )
    return [""] * len(captions) if captions_hide(cell, boxes, captions) else captions


def _sheet(cells: list[np.ndarray], paths: Sequence[str], unnamed: set[int], names: Sequence[str]) -> np.ndarray:
    """All cells, and below them the colours of the classes that some of them show without a name."""
    sheet = grid(cells, [PurePath(path).name for path in paths[: len(cells)]], cell_px=_cell_px(len(cells)))
    if len(names) == 1 or not unnamed:
        return sheet
    meanings = {name_of(names, number): colour(number) for number in sorted(unnamed)[:MAX_LEGEND]}
    return np.concatenate((sheet, legend(meanings, sheet.shape[1], LEGEND_PX)))


def _with_regions(cell: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Under the targets, so that an object in a region stays visible. (R, 4)"""
    boxes = cxcywh_norm_to_xyxy_px(regions.astype(np.float64), (cell.shape[0], cell.shape[1]))
    return draw_boxes(cell, boxes, [IGNORED] * len(boxes), [WHITE] * len(boxes), style="dashed")


def prediction_sheet(
    images: np.ndarray,
    detections: Sequence[np.ndarray],
    names: Sequence[str],
    paths: Sequence[str],
    min_score: float = MIN_CONFIDENCE,
    max_images: int = 16,
) -> np.ndarray:
    """The first images of a batch with what is predicted on them.

    (B, 3, H, W) uint8 RGB; per image (M, 6) xyxy px, score, class -> (h, w, 3) uint8
    """
    shown = images[:max_images]
    cells, unnamed = [], set()
    for image, rows in zip(shown, detections, strict=False):
        cell, gain_xy = _cell(image, len(shown))
        sure = rows[rows[:, 4] >= min_score]
        sure = sure[np.argsort(-sure[:, 4], kind="stable")]
        boxes, classes = sure[:, :4] * np.tile(gain_xy, 2), sure[:, 5].astype(np.int64)
        captions = _captions(cell, boxes, classes, names, sure[:, 4])
        unnamed |= set() if any(captions) else set(classes.tolist())
        cells.append(draw_boxes(cell, boxes, captions, [colour(int(number)) for number in classes]))
    return _sheet(cells, paths, unnamed, names)


def _cell(image_chw: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The image as large as its cell, and by how much its pixels grew.

    Boxes are drawn afterwards, so that lines and letters stay clear.
    """
    image_rgb = np.ascontiguousarray(image_chw.transpose(1, 2, 0))
    cell = fitted(image_rgb, _cell_px(count))
    return cell, np.array((cell.shape[1] / max(image_rgb.shape[1], 1), cell.shape[0] / max(image_rgb.shape[0], 1)))


def _cell_px(count: int) -> int:
    return LARGE_CELL_PX if count <= FEW else CELL_PX
