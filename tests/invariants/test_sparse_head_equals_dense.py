# SPDX-License-Identifier: Apache-2.0
"""The sparse training head against the dense one: the same value to 1e-6, the same gradients to 1e-5, float32."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules, balance_for
from boxwright.model.head import Detect
from boxwright.model.sparse import SparseMaps
from tests.oracles.dense_loss import DenseLoss, dense_head

WIDTHS = (16, 24, 32, 40)
ANCHORS_PX = [
    [10, 13, 16, 30, 33, 23],
    [30, 61, 62, 45, 59, 119],
    [116, 90, 156, 198, 373, 326],
    [436, 615, 739, 380, 925, 792],
]
VARIANTS = {
    "plain": {},
    "focal": {"gamma": 1.5},
    "smoothed": {"smoothing": 0.1},
    "weighted": {"obj_pw": 0.7, "cls_pw": 1.4},
    "everything": {"gamma": 1.5, "smoothing": 0.1, "obj_pw": 0.7, "cls_pw": 0.7, "anchor_t": 2.5},
}


def targets(kind: str, num_classes: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(3)
    count = {"ordinary": 30, "none": 0, "one": 1, "crowded": 60}[kind]
    rows = torch.rand(count, 6, generator=draw)
    rows[:, 0] = torch.randint(0, 4, (count,), generator=draw)
    rows[:, 1] = torch.randint(0, num_classes, (count,), generator=draw)
    rows[:, 4:] = rows[:, 4:] ** 2 * 0.6 + 0.02
    if kind == "crowded":  # many boxes on few cells
        rows[:, 2:4] = 0.31 + rows[:, 2:4] * 0.02
        rows[:, 0] %= 2
    return rows


def setup(num_classes: int, num_levels: int, *, channels_last: bool):
    draw = torch.Generator().manual_seed(1)
    strides = tuple(8 * 2**level for level in range(num_levels))
    anchors_px = torch.tensor(ANCHORS_PX[:num_levels], dtype=torch.float32).view(num_levels, 3, 2)
    head = Detect(num_classes, anchors_px / torch.tensor(strides).view(-1, 1, 1), WIDTHS[:num_levels])
    head.strides = strides
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.2)
    features = [
        torch.randn(4, width, 256 // s, 192 // s, generator=draw) for width, s in zip(WIDTHS, strides, strict=False)
    ]
    if channels_last:
        features = [feature.contiguous(memory_format=torch.channels_last) for feature in features]
    return head, [feature.requires_grad_() for feature in features]


def gradients(head, features, total):
    for tensor in (*features, *head.parameters()):
        tensor.grad = None
    total.backward()
    return [tensor.grad.clone() for tensor in (*features, *head.parameters())]


@pytest.mark.parametrize("channels_last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("num_levels", [3, 4])
@pytest.mark.parametrize("num_classes", [1, 80])
@pytest.mark.parametrize("kind", ["ordinary", "none", "one", "crowded"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_sparse_head_and_loss_equal_the_dense_textbook(variant, kind, num_classes, num_levels, channels_last):
    head, features = setup(num_classes, num_levels, channels_last=channels_last)
    options = VARIANTS[variant]
    rows = targets(kind, num_classes)
    rules = LossRules(
        obj_pos_weight=options.get("obj_pw", 1.0),
        cls_pos_weight=options.get("cls_pw", 1.0),
        focal_gamma=options.get("gamma", 0.0),
        label_smoothing=options.get("smoothing", 0.0),
        anchor_t=options.get("anchor_t", 4.0),
        balance=balance_for(num_levels, (4.0, 1.0, 0.25, 0.06, 0.02)),
    )
    mine = DetectionLoss(rules, head.anchors, head.strides, num_classes)
    terms = mine(SparseMaps(features, [head.weights(level) for level in range(num_levels)]), rows)
    sparse = gradients(head, features, terms.total)
    total, items = DenseLoss(head.anchors, num_classes, **options)(dense_head(features, head.m, 3), rows)
    dense = gradients(head, features, total)
    assert float(terms.total.detach()) == pytest.approx(float(total.detach()), rel=1e-6)
    assert terms.items.tolist() == pytest.approx(items.tolist(), rel=2e-6, abs=1e-8)
    for first, second in zip(sparse, dense, strict=True):
        scale = max(float(second.abs().max()), 1e-6)
        assert float((first - second).abs().max()) <= 1e-5 * max(scale, 1.0)
        assert float((first - second).abs().max()) <= 1e-4 * scale


@pytest.mark.parametrize("variant", ["plain", "everything"])
@pytest.mark.parametrize("kind", ["ordinary", "crowded"])
def test_weights_of_classes_multiply_the_class_loss_of_their_objects_as_in_the_textbook(kind, variant):
    head, features = setup(3, 3, channels_last=True)
    options, rows, weights = VARIANTS[variant], targets(kind, 3), (0.5, 4.0, 0.0)
    rules = LossRules(
        obj_pos_weight=options.get("obj_pw", 1.0),
        cls_pos_weight=options.get("cls_pw", 1.0),
        focal_gamma=options.get("gamma", 0.0),
        label_smoothing=options.get("smoothing", 0.0),
        anchor_t=options.get("anchor_t", 4.0),
        class_weights=weights,
    )
    maps = SparseMaps(features, [head.weights(level) for level in range(3)])
    terms = DetectionLoss(rules, head.anchors, head.strides, 3)(maps, rows)
    sparse = gradients(head, features, terms.total)
    total, items = DenseLoss(head.anchors, 3, weights, **options)(dense_head(features, head.m, 3), rows)
    dense = gradients(head, features, total)
    assert terms.items.tolist() == pytest.approx(items.tolist(), rel=2e-6, abs=1e-8)
    for first, second in zip(sparse, dense, strict=True):
        assert float((first - second).abs().max()) <= 1e-5 * max(float(second.abs().max()), 1.0)
    unweighted = DetectionLoss(dataclasses.replace(rules, class_weights=()), head.anchors, head.strides, 3)(maps, rows)
    assert torch.equal(unweighted.items[:2], terms.items[:2])
    assert unweighted.items[2] != terms.items[2]


@pytest.mark.parametrize("sort_best", [False, True], ids=["last wins", "best wins"])
def test_the_winner_of_a_contested_cell_is_the_same_with_and_without_fixed_shapes(sort_best, monkeypatch):
    head, features = setup(3, 3, channels_last=True)
    rows = targets("crowded", 3)
    maps = SparseMaps(features, [head.weights(level) for level in range(3)])
    loss = DetectionLoss(LossRules(best_overlap_wins=sort_best), head.anchors, head.strides, 3)
    compact = loss(maps, rows)
    assign = loss.__class__.__call__.__globals__["assign"]
    monkeypatch.setattr("boxwright.loss.detection.assign", lambda *given, **_: assign(*given, fixed_shapes=True))
    fixed = loss(maps, rows)
    assert float(fixed.total.detach()) == pytest.approx(float(compact.total.detach()), rel=1e-6)


def test_the_best_overlap_wins_when_asked():
    head, features = setup(3, 3, channels_last=False)
    rows = targets("crowded", 3)
    maps = SparseMaps(features, [head.weights(level) for level in range(3)])
    last, best = (
        DetectionLoss(LossRules(best_overlap_wins=wins), head.anchors, head.strides, 3) for wins in (False, True)
    )
    assert float(last(maps, rows).total.detach()) != float(best(maps, rows).total.detach())


def test_a_share_of_overlap_below_1_lifts_the_objectness_target():
    head, features = setup(3, 3, channels_last=False)
    rows = targets("ordinary", 3)
    maps = SparseMaps(features, [head.weights(level) for level in range(3)])
    items = [
        DetectionLoss(LossRules(overlap_share=share), head.anchors, head.strides, 3)(maps, rows).items
        for share in (1.0, 0.0)
    ]
    assert torch.equal(items[0][[0, 2]], items[1][[0, 2]])
    assert items[0][1] != items[1][1]


def test_generalised_iou_is_the_box_loss_of_july_2020():
    head, features = setup(3, 3, channels_last=False)
    rows = targets("ordinary", 3)
    maps = SparseMaps(features, [head.weights(level) for level in range(3)])
    ciou, giou = (
        float(DetectionLoss(LossRules(box_loss=kind), head.anchors, head.strides, 3)(maps, rows).items[0])
        for kind in ("ciou", "giou")
    )
    assert ciou != giou
