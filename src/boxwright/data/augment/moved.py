# SPDX-License-Identifier: Apache-2.0
"""A plan applied to labels and to regions to ignore: no pixel is needed for it. N objects, K regions."""

from __future__ import annotations

import numpy as np

from boxwright.data.augment.plan import Plan, Scene, Tile
from boxwright.data.index import Index
from boxwright.geometry.affine import around_moved, moved_boxes, moved_polygons
from boxwright.geometry.boxes import clip_xyxy, cxcywh_norm_to_xyxy_px, xyxy_px_to_cxcywh_norm
from boxwright.geometry.polygons import box_xyxy, mirrored
from boxwright.structures.truth import NO_REGIONS, Truth

EDGE_PX = 1e-3  # boxes stay this far inside the right and lower edge


def truth_of(plan: Plan, index: Index) -> Truth:
    """What is known about the sample of a plan."""
    return Truth(labels_of(plan, index), regions_of(plan, index) if len(index.ignored) else NO_REGIONS)


def labels_of(plan: Plan, index: Index) -> np.ndarray:
    """Rows class, cx, cy, w, h normalised to the output. (N, 5) float32"""
    found = np.concatenate([_of_scene(scene, index) for scene in plan.scenes])
    return np.concatenate((found[:, :1], _in_output(found[:, 1:], plan)), axis=1).astype(np.float32)


def regions_of(plan: Plan, index: Index) -> np.ndarray:
    """Regions to ignore, moved as boxes are, as far as they lie in the output, however little that is: cx, cy, w, h normalised. (K, 4) float32"""
    boxes = _in_output(np.concatenate([_regions_of_scene(scene, index) for scene in plan.scenes]), plan).astype(np.float32)
    return boxes[(boxes[:, 2:] > 0).all(axis=1)]


def _in_output(corners: np.ndarray, plan: Plan) -> np.ndarray:
    """Corners in output pixels -> centre and size, flipped and normalised. (N, 4)"""
    height, width = plan.scenes[0].output_hw
    corners[:, 0::2] = corners[:, 0::2].clip(0, width - EDGE_PX)
    corners[:, 1::2] = corners[:, 1::2].clip(0, height - EDGE_PX)
    boxes = xyxy_px_to_cxcywh_norm(corners, (height, width))
    if plan.flip_up_down:
        boxes[:, 1] = 1 - boxes[:, 1]
    if plan.flip_left_right:
        boxes[:, 0] = 1 - boxes[:, 0]
    return boxes


def _regions_of_scene(scene: Scene, index: Index) -> np.ndarray:
    """Corners in output pixels. (K, 4) float64"""
    boxes = np.concatenate([_placed(index.ignored_in(tile.image)[:, 1:], tile, scene.canvas_hw) for tile in scene.tiles])
    on_it = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # one beside the canvas is a line by now, and a turned line has a box of its own
    return around_moved(boxes[on_it], scene.warp.matrix(scene.canvas_hw, scene.output_hw), scene.output_hw)


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
    boxes = _placed(index.boxes[objects], tile, canvas_hw)
    outlines = []
    if index.has_polygons:
        size = _shown_hw(tile)
        scale, shift, limit = np.array(size[::-1]), np.array(tile.box_offset_xy), np.array(canvas_hw[::-1])
        outlines = [(outline * scale + shift).clip(0, limit) if len(outline) else outline for outline in index.polygons(tile.image)]
    return index.classes[objects].astype(np.float64), boxes, outlines or [np.zeros((0, 2))] * len(boxes)


def _placed(boxes: np.ndarray, tile: Tile, canvas_hw: tuple[int, int]) -> np.ndarray:
    """Boxes of a tile's image as corners in canvas pixels, clipped to the canvas. (N, 4) -> (N, 4) float64"""
    return clip_xyxy(cxcywh_norm_to_xyxy_px(boxes.astype(np.float64), _shown_hw(tile), tile.box_offset_xy), canvas_hw)


def _shown_hw(tile: Tile) -> tuple[float, float]:
    return tile.loaded_hw[0] * tile.gain_xy[1], tile.loaded_hw[1] * tile.gain_xy[0]
