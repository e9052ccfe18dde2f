# SPDX-License-Identifier: Apache-2.0
"""Copy-paste: objects with outlines, mirrored left-right on the canvas, where they hide little of what is there.

N objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.augment.plan import Scene, Tile
from boxwright.data.augment.transformed_labels import boxes_on_canvas, outlines_on_canvas
from boxwright.data.index.index import Index
from boxwright.geometry.polygons import box_xyxy, mirrored

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_COVERED = 0.3  # of any box that is there


def choose(
    index: Index, share: float, tiles: Sequence[Tile], canvas_hw: tuple[int, int], draw: np.random.Generator
) -> tuple[tuple[int, int], ...]:
    """Which objects of a canvas are pasted, as pairs (tile, object within its image).

    `share` is the share of objects that are tried.
    """
    found = [
        (place, number, outline)
        for place, tile in enumerate(tiles)
        for number, outline in enumerate(outlines_on_canvas(tile, canvas_hw, index))
    ]
    outlined = [(place, number, outline) for place, number, outline in found if len(outline)]
    present = boxes_on_canvas([index.boxes[index.objects(tile.image)] for tile in tiles], tiles, canvas_hw)
    chosen = []
    for at in draw.choice(len(outlined), round(share * len(outlined)), replace=False).tolist() if outlined else []:
        place, number, outline = outlined[at]
        box = box_xyxy(mirrored(outline, canvas_hw))
        if covered(box, present).max(initial=0.0) < MAX_COVERED:
            chosen.append((place, number))
            present = np.concatenate((present, box[None]))
    return tuple(chosen)


def covered(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """How much of each box another one covers. (4,), (N, 4) corners -> (N,)"""
    sides = (np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])).clip(0)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    result: np.ndarray = sides.prod(axis=1) / np.maximum(areas, 1e-9)
    return result


def outlines_of(scene: Scene, index: Index) -> list[np.ndarray]:
    """Where the pasted objects of a scene lie, in canvas pixels. (P, 2) each"""
    return [
        mirrored(outlines_on_canvas(scene.tiles[place], scene.canvas_hw, index)[number], scene.canvas_hw)
        for place, number in scene.pastes
    ]


def onto(canvas: np.ndarray, scene: Scene, index: Index) -> None:
    """Paste into a canvas. (H, W, C)"""
    if not scene.pastes:
        return
    mask = np.zeros(canvas.shape[:2], np.uint8)
    for outline in outlines_of(scene, index):
        cv2.drawContours(mask, [np.rint(outline).astype(np.int32)], -1, 1, cv2.FILLED)
    there = mask.astype(bool)
    canvas[there] = canvas[:, ::-1][there]
