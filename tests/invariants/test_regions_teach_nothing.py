# SPDX-License-Identifier: Apache-2.0
"""Regions to ignore in the loss: background there is neither right nor wrong, everything else is as it was."""

from __future__ import annotations

import pytest
import torch

from boxwright.loss.detection import DetectionLoss
from boxwright.loss.ignore_regions import ignored_answers
from boxwright.loss.rules import LossRules
from boxwright.model.sparse import SparseMaps
from boxwright.structures.maps import DenseMaps
from tests.invariants.test_sparse_head_equals_dense import VARIANTS, gradients, setup, targets
from tests.oracles.dense_loss import DenseLoss, centres_in, dense_head, matches

LEVELS, CLASSES, BATCH = 3, 4, 4
GRIDS = ((32, 24), (16, 12), (8, 6))
EVERYWHERE = torch.tensor([[image, 0.5, 0.5, 1, 1] for image in range(BATCH)], dtype=torch.float32)


@pytest.fixture(params=["compact", "fixed shapes"])
def form(request, monkeypatch):
    """Both forms of the assignment: the one for CPUs and the one that a GPU needs, here on the CPU."""
    assign = DetectionLoss.__call__.__globals__["assign"]
    fixed = request.param == "fixed shapes"
    monkeypatch.setattr("boxwright.loss.detection.assign", lambda *given, **_: assign(*given, fixed_shapes=fixed))


def regions() -> torch.Tensor:
    """Overlapping ones, one of nothing, one over a whole picture, none in the last picture.

    On edges that are centres of cells too.
    """
    draw = torch.Generator().manual_seed(5)
    rows = torch.cat(
        (
            torch.randint(0, 2, (12, 1), generator=draw),
            torch.rand(12, 2, generator=draw),
            torch.rand(12, 2, generator=draw) ** 2,
        ),
        1,
    )
    exact = [[0, 0.25, 0.25, 0.25 + 1 / 24, 0.25 + 1 / 32], [1, 0.5, 0.5, 0, 0], [2, 0.5, 0.5, 1, 1]]
    return torch.cat((rows, torch.tensor(exact)))


def rules(variant: str) -> tuple[LossRules, dict]:
    options = VARIANTS[variant]
    weights = {
        "obj_pos_weight": options.get("obj_pw", 1.0),
        "cls_pos_weight": options.get("cls_pw", 1.0),
        "focal_gamma": options.get("gamma", 0.0),
    }
    return LossRules(
        **weights, label_smoothing=options.get("smoothing", 0.0), anchor_t=options.get("anchor_t", 4.0)
    ), options


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["ordinary", "none", "one", "crowded"])
def test_both_heads_equal_the_textbook(kind, variant):
    head, features = setup(CLASSES, LEVELS, channels_last=True)
    rows, (chosen, options) = targets(kind, CLASSES), rules(variant)
    loss = DetectionLoss(chosen, head.anchors, head.strides, CLASSES)
    total, items = DenseLoss(head.anchors, CLASSES, **options)(dense_head(features, head.m, 3), rows, regions())
    expected = gradients(head, features, total)
    for maps in (
        SparseMaps(features, [head.weights(level) for level in range(LEVELS)]),
        DenseMaps(dense_head(features, head.m, 3)),
    ):
        terms = loss(maps, rows, regions())
        assert terms.items.tolist() == pytest.approx(items.tolist(), rel=2e-6, abs=1e-8)
        for first, second in zip(gradients(head, features, terms.total), expected, strict=True):
            assert float((first - second).abs().max()) <= 1e-5 * max(float(second.abs().max()), 1.0)
    without = loss(maps, rows)
    assert without.items[1] > terms.items[1]
    assert torch.equal(without.items[[0, 2]], terms.items[[0, 2]])


def raws_and_loss() -> tuple[list[torch.Tensor], DetectionLoss]:
    head, features = setup(CLASSES, LEVELS, channels_last=False)
    raws = [raw.detach().requires_grad_() for raw in dense_head(features, head.m, 3)]
    return raws, DetectionLoss(LossRules(), head.anchors, head.strides, CLASSES)


def gradients_of(
    raws: list[torch.Tensor], loss: DetectionLoss, rows: torch.Tensor, ignored: torch.Tensor | None
) -> list[torch.Tensor]:
    for raw in raws:
        raw.grad = None
    loss(DenseMaps(raws), rows, ignored).total.backward()
    return [raw.grad.clone() for raw in raws]


@pytest.mark.usefixtures("form")
def test_background_in_a_region_has_no_gradient_and_all_else_has_the_very_same():
    raws, loss = raws_and_loss()
    rows = targets("ordinary", CLASSES)
    plain, masked = (gradients_of(raws, loss, rows, ignored) for ignored in (None, regions()))
    for level, (before, after) in enumerate(zip(plain, masked, strict=True)):
        h, w = GRIDS[level]
        silent = torch.zeros(before.shape[:4], dtype=torch.bool)
        for image, *box in regions().tolist():
            silent[int(image), :, torch.from_numpy(centres_in(box, h, w))] = True
        claimed = torch.tensor(matches(rows, loss.anchors[level], h, w, 4.0))[:, :4].unbind(1)
        assert silent[claimed].any(), "an object lies in a region"
        silent[claimed] = False
        assert silent.any()
        assert not after[silent].any()
        assert torch.equal(after[~silent], before[~silent])


@pytest.mark.usefixtures("form")
def test_an_object_learns_in_a_region_as_outside_even_where_it_overlaps_nothing_yet():
    raws, loss = raws_and_loss()
    with torch.no_grad():
        for raw in raws:
            raw[
                ..., 2:4
            ] = -20  # boxes without a size: the wanted objectness of every object is 0, as that of background
    rows = targets("ordinary", CLASSES)
    plain, masked = (gradients_of(raws, loss, rows, ignored) for ignored in (None, EVERYWHERE))
    for level, (before, after) in enumerate(zip(plain, masked, strict=True)):
        claimed = torch.tensor(matches(rows, loss.anchors[level], *GRIDS[level], 4.0))[:, :4].unbind(1)
        assert torch.equal(after[claimed], before[claimed])
        assert (after[..., 4] != 0).sum() == len(set(zip(*(column.tolist() for column in claimed), strict=True)))


@pytest.mark.usefixtures("form")
def test_where_everything_is_ignored_and_nothing_claimed_there_is_no_loss():
    raws, loss = raws_and_loss()
    terms = loss(DenseMaps(raws), torch.zeros(0, 6), EVERYWHERE)
    terms.total.backward()
    assert terms.items.tolist() == [0, 0, 0]
    assert not any(raw.grad.any() for raw in raws)


def test_regions_that_cover_no_centre_change_no_bit():
    raws, loss = raws_and_loss()
    rows = targets("ordinary", CLASSES)
    between = torch.tensor([[0, 0.5, 0.5, 1e-4, 1e-4]])
    plain, with_region = (gradients_of(raws, loss, rows, ignored) for ignored in (None, between))
    assert all(torch.equal(one, other) for one, other in zip(plain, with_region, strict=True))


@pytest.mark.usefixtures("form")
def test_what_no_anchor_claims_in_a_claimed_cell_is_spared():
    raws, loss = raws_and_loss()
    rows = targets("one", CLASSES)
    assign = DetectionLoss.__call__.__globals__["assign"]
    out = ignored_answers(EVERYWHERE, assign(rows, loss.anchors[0], GRIDS[0], 4.0), raws[0].shape[:4])
    found = set(matches(rows, loss.anchors[0], *GRIDS[0], 4.0))
    assert {tuple(place) for place in (~out).nonzero().tolist()} == {match[:4] for match in found}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_spares_the_same_answers():
    raws, loss = raws_and_loss()
    there = DetectionLoss(LossRules(), loss.anchors.cuda(), (8, 16, 32), CLASSES)
    rows = targets("crowded", CLASSES)
    mine = loss(DenseMaps(raws), rows, regions())
    found = there(DenseMaps([raw.detach().cuda() for raw in raws]), rows.cuda(), regions().cuda())
    assert found.items.tolist() == pytest.approx(mine.items.tolist(), rel=1e-5)
