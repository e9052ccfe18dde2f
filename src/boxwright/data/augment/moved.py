# SPDX-License-Identifier: Apache-2.0
"""A plan applied to labels: no pixel is needed for it. N objects."""

from __future__ import annotations

import numpy as np

from boxwright.data.augment.plan import Plan, Scene, Tile
from boxwright.data.index import Index
from boxwright.geometry.affine import moved_boxes, moved_polygons
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px, xyxy_px_to_cxcywh_norm
from boxwright.geometry.polygons import box_xyxy, mirrored

EDGE_PX = 1e-3  # boxes stay this far inside the right and lower edge


def labels_of(plan: Plan, index: Index) -> np.ndarray:
    """Rows class, cx, cy, w, h normalised to the output. (N, 5) float32"""
    found = np.concatenate([_of_scene(scene, index) for scene in plan.scenes])
    height, width = plan.scenes[0].output_hw
    corners = found[:, 1:]
    corners[:, 0::2] = corners[:, 0::2].clip(0, width - EDGE_PX)
    corners[:, 1::2] = corners[:, 1::2].clip(0, height - EDGE_PX)
    boxes = xyxy_px_to_cxcywh_norm(corners, (height, width))
    if plan.flip_up_down:
        boxes[:, 1] = 1 - boxes[:, 1]
    if plan.flip_left_right:
        boxes[:, 0] = 1 - boxes[:, 0]
    return np.concatenate((found[:, :1], boxes), axis=1).astype(np.float32)


def _of_scene(scene: Scene, index: Index) -> np.ndarray:
    """Rows class, x1, y1, x2, y2 in output pixels. (N, 5) float64"""
    parts = [on_canvas(tile, scene.canvas_hw, index) for tile in scene.tiles]
    classes, boxes = (np.concatenate(column) for column in zip(*(part[:2] for part in parts), strict=True))
    outlines = [outline for part in parts for outline in part[2]]
    for place, number in scene.pastes:
        outlines.append(mirrored(parts[place][2][number], scene.canvas_hw))
        boxes = np.concatenate((boxes, box_xyxy(outlines[-1])[None]))
        classes = np.append(classes, parts[place][0][number])
    if not len(classes):
        return np.zeros((0, 5))
    matrix = scene.warp.matrix(scene.canvas_hw, scene.output_hw)
    moved, kept = moved_boxes(boxes, matrix, scene.output_hw, scene.warp.scale)
    outlined = [i for i, outline in enumerate(outlines) if len(outline)]
    if outlined:
        moved[outlined], kept[outlined] = moved_polygons([outlines[i] for i in outlined], matrix, scene.output_hw, scene.warp.scale)
    return np.concatenate((classes[kept, None], moved[kept]), axis=1)


def on_canvas(tile: Tile, canvas_hw: tuple[int, int], index: Index) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Classes, boxes as corners and outlines of a tile's objects in canvas pixels, clipped to the canvas."""
    objects = index.objects(tile.image)
    size = tile.loaded_hw[0] * tile.gain_xy[1], tile.loaded_hw[1] * tile.gain_xy[0]
    boxes = cxcywh_norm_to_xyxy_px(index.boxes[objects].astype(np.float64), size, tile.box_offset_xy)
    outlines = []
    if index.has_polygons:
        scale, shift, limit = np.array(size[::-1]), np.array(tile.box_offset_xy), np.array(canvas_hw[::-1])
        outlines = [(outline * scale + shift).clip(0, limit) if len(outline) else outline for outline in index.polygons(tile.image)]
    height, width = canvas_hw
    boxes[:, 0::2] = boxes[:, 0::2].clip(0, width)
    boxes[:, 1::2] = boxes[:, 1::2].clip(0, height)
    return index.classes[objects].astype(np.float64), boxes, outlines or [np.zeros((0, 2))] * len(boxes)
