# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from boxwright.geometry import affine, boxes, iou, letterbox, polygons
from tests.support import golden

NUMBERS = golden.arrays("boxes")
CASES = golden.document("boxes")


def close(mine, key, tolerance=1e-6):
    reference = NUMBERS[key]
    assert mine.shape == reference.shape
    assert np.abs(np.asarray(mine, np.float64) - reference).max() <= tolerance * max(1.0, np.abs(reference).max())


def test_box_formats_convert_as_the_reference():
    start = NUMBERS["xywhn"]
    corners = boxes.cxcywh_to_xyxy(start)
    in_pixels = boxes.cxcywh_norm_to_xyxy_px(start, (200, 320), (7, 13))
    close(corners, "xywh2xyxy")
    close(boxes.xyxy_to_cxcywh(corners), "xyxy2xywh")
    close(in_pixels, "xywhn2xyxy_w320_h200_pad7_13")
    close(boxes.xyxy_px_to_cxcywh_norm(in_pixels, (200, 320)), "xyxy2xywhn_w320_h200")
    close(
        boxes.xyxy_px_to_cxcywh_norm(boxes.clip_xyxy(in_pixels, (200, 320), 1e-3), (200, 320)),
        "xyxy2xywhn_clip_eps1e-3",
    )
    close(boxes.clip_xyxy(in_pixels, (200, 320)), "clip_boxes_200x320")


def test_boxes_return_from_a_canvas_as_the_reference():
    on_canvas = NUMBERS["xywhn2xyxy_w320_h200_pad7_13"] * 2
    close(letterbox.centred((333, 500), (640, 640)).boxes_to_source(on_canvas), "scale_boxes_640x640_to_333x500")
    stated = letterbox.Letterbox((333, 500), (640, 640), (426, 640), (1.28, 1.28), (0, 106.88))
    close(stated.boxes_to_source(on_canvas), "scale_boxes_ratio_pad")


@pytest.mark.parametrize("number", range(3))
def test_polygons_scale_resample_and_enclose_as_the_reference(number):
    outline = NUMBERS[f"seg{number}"]
    in_pixels = polygons.scaled(outline, (200, 320), (7, 13))
    close(in_pixels, f"seg{number}_xyn2xy_w320_h200_pad7_13")
    close(polygons.visible_box_xyxy(in_pixels, (200, 320)), f"seg{number}_segment2box_w320_h200")
    close(polygons.resampled(outline, 50), f"seg{number}_resample50")
    enclosing = boxes.xyxy_to_cxcywh(polygons.box_xyxy(outline))
    assert np.abs(enclosing - NUMBERS["segments2boxes"][number]).max() < 1e-6


@pytest.mark.parametrize("kind", ["IoU", "GIoU", "DIoU", "CIoU"])
@pytest.mark.parametrize("form", ["xywh", "xyxy"])
def test_the_iou_family_equals_the_reference_and_is_finite_where_it_is_not(kind, form):
    mine = iou.rowwise(
        torch.tensor(NUMBERS["iou_box1_xywh"]), torch.tensor(NUMBERS["iou_box2_xywh"]), kind.lower()
    ).numpy()
    reference = NUMBERS[f"{kind}_{form}"]
    assert np.isfinite(mine).all()
    finite = np.isfinite(reference)
    assert finite.sum() >= len(reference) - 1
    assert np.abs(mine - reference)[finite].max() < 2e-6


def test_the_gradient_of_ciou_equals_the_reference():
    first = torch.tensor(NUMBERS["iou_box1_xywh"][6:], requires_grad=True)
    (1 - iou.rowwise(first, torch.tensor(NUMBERS["iou_box2_xywh"][6:]), "ciou")).mean().backward()
    assert np.abs(first.grad.numpy() - NUMBERS["CIoU_xywh_grad_box1_of_mean_1_minus_ciou_rows6on"]).max() < 1e-7


def test_pairwise_iou_equals_the_reference():
    first, second = (boxes.cxcywh_to_xyxy(torch.tensor(NUMBERS[key][6:])) for key in ("iou_box1_xywh", "iou_box2_xywh"))
    close(iou.pairwise(first[:20], second[:30]).numpy(), "box_iou_matrix_20x30")


def test_the_rule_of_what_survives_a_transform_equals_the_reference():
    before = boxes.cxcywh_to_xyxy(NUMBERS["iou_box1_xywh"])
    after = boxes.cxcywh_to_xyxy(NUMBERS["iou_box2_xywh"]) * np.float32(0.6)
    assert (boxes.survives(before, after, 0.1) == NUMBERS["box_candidates"]).all()


def test_every_letterbox_equals_the_reference():
    cases = CASES["letterbox_cases_[hw,new,kwargs]"]
    rows = NUMBERS["letterbox_h_w_rw_rh_padw_padh_y0_y1_x0_x1"]
    assert len(cases) == len(rows) > 0
    for (size, target, options), row in zip(cases, rows, strict=True):
        target_hw = (target, target) if isinstance(target, int) else tuple(target)
        if options.get("scaleFill"):
            box = letterbox.stretch(tuple(size), target_hw)
        else:
            stride = options.get("stride", 32) if options.get("auto", True) else None
            box = letterbox.fit(tuple(size), target_hw, enlarge=options.get("scaleup", True), stride=stride)
        top, left = box.top_left
        mine = [*box.canvas_hw, *box.gain_xy, *box.pad_xy, top, top + box.resized_hw[0], left, left + box.resized_hw[1]]
        assert np.allclose(mine, row, atol=1e-9), (size, target, options)


@pytest.mark.parametrize("strength", ["low", "full"])
def test_boxes_move_through_the_random_affine_as_the_reference(strength):
    draws = NUMBERS[f"warp_{strength}_draws"]
    arguments = CASES[f"warp_{strength}_args"]
    canvas, border = arguments["canvas"], arguments["border"]
    output_hw = canvas[0] + 2 * border[0], canvas[1] + 2 * border[1]
    warp = affine.Warp(tuple(draws[0:2]), draws[2], draws[3], tuple(draws[4:6]), tuple(draws[6:8]))
    start = NUMBERS["warp_targets_in"]
    moved, kept = affine.transformed_boxes(start[:, 1:], warp.matrix(tuple(canvas), output_hw), output_hw, warp.scale)
    mine = np.concatenate((start[kept, :1], moved[kept]), axis=1)
    reference = NUMBERS[f"warp_{strength}_targets_out"]
    assert mine.shape == reference.shape
    assert np.abs(mine - reference).max() < 1e-4
