# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from boxwright.config.schema.loss import LossSettings
from boxwright.engine.ema import Ema
from boxwright.loss.assign import assign
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules, rules_for
from boxwright.structures.maps import DenseMaps
from tests.support import golden
from tests.support.networks import network

CASES = golden.document("loss")
NUMBERS = golden.arrays("loss")
LEVELS = ((20, 24), (10, 12), (5, 6))
PLAIN = [
    name for name, case in CASES.items() if isinstance(case, dict) and "hyp" in case and "total_box_obj_cls" in case
]
ASSIGNED = {"base_nc3": "base_nc3", "anchor_t2_nc3": "anchor_t2_nc3", "edge_nc3": "edge_targets_nc3"}


def anchors(model: str = "yolov5n") -> torch.Tensor:
    grid = torch.tensor(golden.models()[model]["anchors_grid"])
    return grid.view(len(grid), -1, 2)


def predictions(num_classes: int, levels=LEVELS, tag: str = "loss_pred_nc") -> list[torch.Tensor]:
    draw = golden.rng(f"{tag}{num_classes}")
    return [
        torch.from_numpy(draw.normal(0, 1.5, (4, 3, *level, 5 + num_classes))).float().requires_grad_()
        for level in levels
    ]


def targets(name: str) -> torch.Tensor:
    key = f"{name}__targets"
    return torch.from_numpy(NUMBERS[key] if key in NUMBERS.files else NUMBERS[f"targets_nc{CASES[name]['nc']}"])


def rules(case: dict, **more) -> LossRules:
    hyp = case["hyp"]
    return LossRules(
        box=hyp["box"],
        obj=hyp["obj"],
        cls=hyp["cls"],
        obj_pos_weight=hyp["obj_pw"],
        cls_pos_weight=hyp["cls_pw"],
        focal_gamma=hyp["fl_gamma"],
        anchor_t=hyp["anchor_t"],
        label_smoothing=case["label_smoothing"],
        **more,
    )


@pytest.fixture(params=["compact", "fixed shapes"])
def form(request, monkeypatch):
    """Both forms of the assignment: the one for CPUs and the one that a GPU needs, here on the CPU."""
    fixed = request.param == "fixed shapes"
    forced = functools.partial(assign)
    monkeypatch.setattr("boxwright.loss.detection.assign", lambda *given, **_: forced(*given, fixed_shapes=fixed))


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("name", PLAIN)
def test_loss_and_gradients_equal_the_reference(name):
    case = CASES[name]
    raws = predictions(case["nc"])
    checksum = CASES[f"checksum_pred_nc{case['nc']}"]
    assert np.allclose([float(raw.detach().sum(dtype=torch.float64)) for raw in raws], checksum, rtol=1e-5)
    terms = DetectionLoss(rules(case), anchors(), (8, 16, 32), case["nc"])(DenseMaps(raws), targets(name))
    terms.total.backward()
    total, *items = case["total_box_obj_cls"]
    assert float(terms.total.detach()) == pytest.approx(total, rel=5e-6)
    assert terms.items.tolist() == pytest.approx(items, rel=5e-6, abs=1e-9)
    assert [float(raw.grad.norm()) for raw in raws] == pytest.approx(case["grad_l2_per_level"], rel=1e-5)
    for level, raw in enumerate(raws):
        key = f"{name}__grad{level}"
        if key in NUMBERS.files:
            assert np.abs(golden.thinned(raw.grad, int(NUMBERS[f"{key}__k"])) - NUMBERS[key]).max() < 1e-7


@pytest.mark.usefixtures("form")
def test_autobalance_equals_the_reference():
    case = CASES["autobalance_nc3_3calls"]
    loss = DetectionLoss(rules(CASES["base_nc3"], autobalance=True), anchors(), (8, 16, 32), 3)
    for row in case["rows_total_box_obj_cls_balance012"]:
        terms = loss(DenseMaps(predictions(3)), torch.from_numpy(NUMBERS["targets_nc3"]))
        assert [float(terms.total.detach()), *terms.items.tolist(), *loss.balance.tolist()] == pytest.approx(
            row, rel=1e-5
        )


@pytest.mark.usefixtures("form")
def test_four_levels_equal_the_reference():
    case = CASES["p6_nc3"]
    raws = predictions(3, case["levels"], "loss_pred4_nc")
    settings = LossSettings(balance_other_levels=tuple(case["balance"]))
    balance = rules_for(settings, num_classes=3, num_levels=4, image_size=640).balance
    loss = DetectionLoss(rules(CASES["base_nc3"], balance=balance), anchors(case["model"]), (8, 16, 32, 64), 3)
    terms = loss(DenseMaps(raws), torch.from_numpy(NUMBERS["targets_nc3"]))
    total, *items = case["total_box_obj_cls"]
    assert float(terms.total.detach()) == pytest.approx(total, rel=5e-6)
    assert terms.items.tolist() == pytest.approx(items, rel=5e-6)


def test_gains_scale_as_the_reference():
    hyp = CASES["scaled_nc3_img320"]["hyp"]
    mine = rules_for(LossSettings(), num_classes=3, num_levels=3, image_size=320)
    assert (mine.box, mine.obj, mine.cls) == pytest.approx((hyp["box"], hyp["obj"], hyp["cls"]), rel=1e-12)


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("name", ASSIGNED)
def test_assignment_equals_the_reference_row_by_row(name, level):
    case = ASSIGNED[name]
    found = assign(targets(case), anchors()[level], LEVELS[level], CASES[case]["hyp"]["anchor_t"])
    cells = found.cells
    columns = [cells.image, cells.anchor, cells.row, cells.column, found.classes]
    mine = torch.cat((torch.stack(columns, 1).float(), found.boxes, found.anchors_wh), 1).numpy()
    reference = NUMBERS[f"assign_{name}_{level}"]
    assert mine.shape == reference.shape
    assert np.abs(mine - reference).max() < 1e-5


def test_gradients_of_a_whole_network_and_one_step_equal_the_reference():
    case = CASES["model_grads_yolov5n_nc3"]
    detector = network("yolov5n", num_classes=3)
    golden.fill(detector)
    average = Ema(detector)
    detector.train()
    loss = DetectionLoss(rules(CASES["base_nc3"]), detector.head.anchors, detector.strides, 3)
    terms = loss(detector(golden.images((2, 3, 128, 160))), torch.from_numpy(NUMBERS["grad_targets"]))
    terms.total.backward()
    total, *items = case["total_box_obj_cls"]
    assert float(terms.total.detach()) == pytest.approx(total, rel=1e-5)
    assert terms.items.tolist() == pytest.approx(items, rel=1e-5)
    norms = {name: float(parameter.grad.norm()) for name, parameter in detector.named_parameters()}
    assert norms == pytest.approx(case["norms"], rel=1e-3, abs=1e-5)
    assert sum(norm**2 for norm in norms.values()) ** 0.5 == pytest.approx(case["total_norm"], rel=1e-4)
    first = detector.get_parameter("model.0.conv.weight").grad.numpy()
    assert np.abs(first - NUMBERS["grad_model.0.conv.weight"]).max() < 1e-3
    step(detector)
    average.update(detector)
    known = CASES["after_one_step"]
    assert abs_sums(detector) == pytest.approx(known["abs_sum"], rel=1e-5, abs=1e-4)
    assert abs_sums(average.network) == pytest.approx(known["ema_abs_sum"], rel=1e-5, abs=1e-4)


def step(detector):
    """Clip to 10 and step once, as the reference did: decay on the weights of convolutions and linear layers only."""
    decayed = [p for n, p in detector.named_parameters() if p.dim() > 1]
    others = [p for n, p in detector.named_parameters() if p.dim() <= 1]
    optimizer = torch.optim.SGD(
        [{"params": others}, {"params": decayed, "weight_decay": 5e-4}], lr=0.01, momentum=0.937, nesterov=True
    )
    torch.nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
    optimizer.step()


def abs_sums(network):
    return {
        k: float(v.abs().sum(dtype=torch.float64)) for k, v in network.state_dict().items() if v.is_floating_point()
    }
