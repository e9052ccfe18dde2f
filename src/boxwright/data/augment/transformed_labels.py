# SPDX-License-Identifier: Apache-2.0
"""A plan applied to labels and to regions to ignore: no pixel is needed for it. N objects, K regions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.augment.flips import flip_boxes
from boxwright.data.augment.plan import Plan, Scene, Tile
from boxwright.data.index.index import Index
from boxwright.geometry.affine import around_transformed, transformed_boxes, transformed_polygons
from boxwright.geometry.boxes import clip_xyxy, cxcywh_to_xyxy, xyxy_px_to_cxcywh_norm
from boxwright.geometry.polygons import box_xyxy, mirrored
from boxwright.structures.truth import NO_REGIONS, Truth

if TYPE_CHECKING:
    from collections.abc import Sequence

EDGE_PX = 1e-3  # boxes stay this far inside the right and lower edge


def truth_of(plan: Plan, index: Index) -> Truth:
    """What is known about the sample of a plan."""
    return Truth(labels_of(plan, index), regions_of(plan, index) if len(index.ignored) else NO_REGIONS)


def labels_of(plan: Plan, index: Index) -> np.ndarray:
    """Rows class, cx, cy, w, h normalised to the output. (N, 5) float32"""
    found = np.concatenate([_of_scene(scene, index) for scene in plan.scenes])
    return np.concatenate((found[:, :1], _in_output(found[:, 1:], plan)), axis=1).astype(np.float32)


def regions_of(plan: Plan, index: Index) -> np.ndarray:
    """Regions to ignore, transformed as boxes are, as far as they lie in the output, however little that is.

    Cx, cy, w, h normalised. (K, 4) float32
    """
    boxes = _in_output(np.concatenate([_regions_of_scene(scene, index) for scene in plan.scenes]), plan).astype(
        np.float32
    )
    return boxes[(boxes[:, 2:] > 0).all(axis=1)]


def _in_output(corners: np.ndarray, plan: Plan) -> np.ndarray:
    """Corners in output pixels -> centre and size, flipped and normalised. (N, 4)"""
    height, width = plan.scenes[0].output_hw
    corners[:, 0::2] = corners[:, 0::2].clip(0, width - EDGE_PX)
    corners[:, 1::2] = corners[:, 1::2].clip(0, height - EDGE_PX)
    boxes = xyxy_px_to_cxcywh_norm(corners, (height, width))
    flip_boxes(boxes, plan)
    return boxes


def _regions_of_scene(scene: Scene, index: Index) -> np.ndarray:
    """Corners in output pixels. (K, 4) float64"""
    boxes = boxes_on_canvas([index.ignored_in(tile.image)[:, 1:] for tile in scene.tiles], scene.tiles, scene.canvas_hw)
    on_it = (boxes[:, 2:] > boxes[:, :2]).all(
        axis=1
    )  # one beside the canvas is a line by now, and a turned line has a box of its own
    return around_transformed(boxes[on_it], scene.warp.matrix(scene.canvas_hw, scene.output_hw), scene.output_hw)


def _of_scene(scene: Scene, index: Index) -> np.ndarray:
    """Rows class, x1, y1, x2, y2 in output pixels. (N, 5) float64"""
    objects = [index.objects(tile.image) for tile in scene.tiles]
    classes = np.concatenate([index.classes[of_tile] for of_tile in objects])
    boxes = boxes_on_canvas([index.boxes[of_tile] for of_tile in objects], scene.tiles, scene.canvas_hw)
    outlines = _outlines(scene, index) if index.has_polygons else []
    if scene.pastes:
        first = np.cumsum([0] + [of_tile.stop - of_tile.start for of_tile in objects])  # of each tile
        copied = [int(first[place]) + number for place, number in scene.pastes]
        outlines += [mirrored(outlines[at], scene.canvas_hw) for at in copied]
        boxes = np.concatenate((boxes, [box_xyxy(outline) for outline in outlines[len(classes) :]]))
        classes = np.concatenate((classes, classes[copied]))
    if not len(classes):
        return np.zeros((0, 5))
    matrix = scene.warp.matrix(scene.canvas_hw, scene.output_hw)
    transformed, kept = transformed_boxes(boxes, matrix, scene.output_hw, scene.warp.scale)
    outlined = [i for i, outline in enumerate(outlines) if len(outline)]
    if outlined:
        transformed[outlined], kept[outlined] = transformed_polygons(
            [outlines[i] for i in outlined], matrix, scene.output_hw, scene.warp.scale
        )
    return np.concatenate((classes[kept, None], transformed[kept]), axis=1)


def _outlines(scene: Scene, index: Index) -> list[np.ndarray]:
    return [outline for tile in scene.tiles for outline in outlines_on_canvas(tile, scene.canvas_hw, index)]


def outlines_on_canvas(tile: Tile, canvas_hw: tuple[int, int], index: Index) -> list[np.ndarray]:
    """The outlines of a tile's objects in canvas pixels, clipped to the canvas; empty for plain boxes. (P, 2) each"""
    height, width = _shown_hw(tile)
    scale, shift, limit = np.array((width, height)), np.array(tile.box_offset_xy), np.array(canvas_hw[::-1])
    return [
        (outline * scale + shift).clip(0, limit) if len(outline) else outline for outline in index.polygons(tile.image)
    ]


def boxes_on_canvas(boxes: Sequence[np.ndarray], tiles: Sequence[Tile], canvas_hw: tuple[int, int]) -> np.ndarray:
    """The boxes of each tile's image, normalised, as corners in canvas pixels, clipped to the canvas.

    (n, 4) each -> (N, 4) float64
    """
    counts = [len(of_tile) for of_tile in boxes]
    size = np.repeat([_shown_hw(tile)[::-1] * 2 for tile in tiles], counts, axis=0)
    shift = np.repeat([tile.box_offset_xy * 2 for tile in tiles], counts, axis=0)
    return clip_xyxy(cxcywh_to_xyxy(np.concatenate(boxes).astype(np.float64)) * size + shift, canvas_hw)


def _shown_hw(tile: Tile) -> tuple[float, float]:
    return tile.loaded_hw[0] * tile.gain_xy[1], tile.loaded_hw[1] * tile.gain_xy[0]
