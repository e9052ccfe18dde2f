# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxwright.geometry import affine, boxes, iou, letterbox, polygons
from tests.support.strategies import boxes_xyxy, sizes_hw


@given(boxes_xyxy())
def test_box_formats_round_trip_for_arrays_and_tensors(given_boxes):
    for kind in (np.asarray, torch.tensor):
        start = kind(given_boxes)
        again = boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(start))
        assert type(again) is type(start)
        assert np.allclose(np.asarray(again), given_boxes, atol=1e-9)


@given(boxes_xyxy(), sizes_hw())
def test_normalised_boxes_round_trip(given_boxes, size_hw):
    there = boxes.xyxy_px_to_cxcywh_norm(given_boxes, size_hw)
    assert np.allclose(boxes.cxcywh_norm_to_xyxy_px(there, size_hw), given_boxes, atol=1e-6)


@given(boxes_xyxy(size=3000), sizes_hw())
def test_clipping_is_idempotent_and_stays_inside(given_boxes, size_hw):
    once = boxes.clip_xyxy(given_boxes, size_hw)
    assert (boxes.clip_xyxy(once, size_hw) == once).all()
    assert (once >= 0).all()
    assert (once[:, [0, 2]] <= size_hw[1]).all()
    assert (once[:, [1, 3]] <= size_hw[0]).all()


@given(boxes_xyxy(), boxes_xyxy())
def test_pairwise_iou_is_symmetric_and_within_0_and_1(first, second):
    there = iou.pairwise(torch.tensor(first), torch.tensor(second))
    back = iou.pairwise(torch.tensor(second), torch.tensor(first))
    assert torch.allclose(there, back.T)
    assert ((there >= 0) & (there <= 1)).all()


@given(boxes_xyxy(), st.sampled_from(["iou", "giou", "diou", "ciou"]))
def test_a_box_overlaps_itself_fully_by_every_measure(given_boxes, kind):
    sized = given_boxes[(given_boxes[:, 2:] - given_boxes[:, :2]).min(axis=1) > 1]
    centred = torch.tensor(boxes.xyxy_to_cxcywh(sized))
    assert torch.allclose(iou.rowwise(centred, centred, kind), torch.ones(len(sized), dtype=torch.float64), atol=1e-5)


@given(boxes_xyxy(), boxes_xyxy(), st.sampled_from(["iou", "giou", "diou", "ciou"]))
def test_every_overlap_and_its_gradient_are_finite_for_every_box(first, second, kind):
    count = min(len(first), len(second))
    mine = torch.tensor(boxes.xyxy_to_cxcywh(first[:count]), dtype=torch.float32, requires_grad=True)
    value = iou.rowwise(mine, torch.tensor(boxes.xyxy_to_cxcywh(second[:count]), dtype=torch.float32), kind)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(mine.grad).all()
    assert (value <= 1 + 1e-5).all()


@given(sizes_hw(16), sizes_hw(64, 1280), st.booleans(), st.sampled_from([None, 32, 64]))
def test_a_letterbox_fits_and_brings_boxes_back(source_hw, target_hw, enlarge, stride):
    box = letterbox.fit(source_hw, target_hw, enlarge=enlarge, stride=stride)
    top, left = box.top_left
    assert 0 <= top <= top + box.resized_hw[0] <= box.canvas_hw[0] <= target_hw[0] + 1
    assert 0 <= left <= left + box.resized_hw[1] <= box.canvas_hw[1] <= target_hw[1] + 1
    corners = np.array(
        [
            [0.0, 0.0, source_hw[1], source_hw[0]],
            [source_hw[1] / 4, source_hw[0] / 4, source_hw[1] / 2, source_hw[0] / 2],
        ]
    )
    assert np.allclose(box.boxes_to_source(box.boxes_to_canvas(corners)), corners, atol=1e-6)


@given(boxes_xyxy(size=320), st.integers(0, 2**20))
def test_moved_boxes_lie_inside_and_what_is_kept_is_worth_keeping(given_boxes, number):
    draw = np.random.default_rng(number)
    warp = affine.Warp(
        tuple(draw.uniform(-1e-3, 1e-3, 2)),
        draw.uniform(-45, 45),
        draw.uniform(0.3, 1.8),
        tuple(draw.uniform(-10, 10, 2)),
        (0.5, 0.5),
    )
    moved, kept = affine.transformed_boxes(given_boxes, warp.matrix((320, 320), (320, 320)), (320, 320), warp.scale)
    assert (moved >= 0).all()
    assert (moved <= 320).all()
    side = (moved[:, 2:] - moved[:, :2])[kept]
    assert (side > boxes.MIN_SIDE_PX).all()


@given(boxes_xyxy(size=320))
def test_the_still_map_moves_nothing(given_boxes):
    moved, _ = affine.transformed_boxes(given_boxes, affine.Warp().matrix((320, 320), (320, 320)), (320, 320), 1.0)
    assert np.allclose(moved, given_boxes, atol=1e-9)


@given(st.integers(3, 30), st.integers(0, 2**20))
def test_resampling_keeps_the_outline_and_its_box_within_the_original(num_points, number):
    outline = np.random.default_rng(number).uniform(0, 1, (num_points, 2))
    dense = polygons.resampled(outline, 1000)
    assert np.allclose(dense[0], outline[0])
    assert np.allclose(dense[-1], outline[0])
    inner, outer = polygons.box_xyxy(dense), polygons.box_xyxy(outline)
    assert (inner[:2] >= outer[:2] - 1e-12).all()
    assert (inner[2:] <= outer[2:] + 1e-12).all()
