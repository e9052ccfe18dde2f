# SPDX-License-Identifier: Apache-2.0
"""How a network is validated, as one value; and the one function that does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from boxwright.config.schema.val import ValSettings
from boxwright.infer.evaluator import VALIDATION_RULES
from boxwright.infer.validation_event import measured
from boxwright.metrics.scores import BestBy
from boxwright.model.fuse import fused
from boxwright.runs.evaluation.evaluate import ValidationData, evaluate, prepare
from boxwright.runs.evaluation.in_training import KEPT_BATCHES, RunValidation
from boxwright.runs.evaluation.plan import STORED, EvaluationPlan
from boxwright.runs.inputs.open_data import open_data
from boxwright.structures.checkpoint_schema import StoredEvaluation
from boxwright.system.device import usable_cores
from boxwright.track.events import Warned
from tests.support import datasets
from tests.support.networks import tiny
from tests.support.training import loss_of

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


# -- the value


def test_what_a_checkpoint_keeps_is_what_its_reader_knows_and_nothing_said_means_the_same_to_both():
    nothing_said = EvaluationPlan()
    assert set(STORED) == set(StoredEvaluation.model_fields)
    assert nothing_said.document() == StoredEvaluation().model_dump()
    assert nothing_said.rules() == VALIDATION_RULES


def test_a_plan_comes_back_from_a_checkpoint_as_it_went_in():
    plan = EvaluationPlan(
        data="set/data.yaml",
        imgsz=96,
        batch_size=3,
        pad=0.0,
        grid=64,
        conf_thres=0.01,
        iou_thres=0.5,
        max_det=7,
        single_cls=True,
        dtype="uint16",
        precision="bf16",
        threads=2,
    )
    document = StoredEvaluation.model_validate(plan.document()).model_dump()
    assert EvaluationPlan.from_document(document) == plan
    assert all(plan.document()[key] != EvaluationPlan().document()[key] for key in STORED)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, {"imgsz": 96, "iou_thres": 0.5, "conf_thres": 0.002, "pad": 0.0, "split": "val", "square": False}),
        ({"imgsz": 320, "conf_thres": 0.1}, {"imgsz": 320, "conf_thres": 0.1, "iou_thres": 0.5}),
        ({"task": "speed"}, {"conf_thres": 0.25, "iou_thres": 0.45, "square": True, "split": "val"}),
        ({"task": "speed", "iou_thres": 0.7}, {"conf_thres": 0.25, "iou_thres": 0.7}),
        ({"task": "study"}, {"split": "val", "conf_thres": 0.002}),
        ({"task": "test", "data": "other.yaml"}, {"split": "test", "data": "other.yaml"}),
        ({"save_hybrid": True, "nms": "parity"}, {"hybrid": True, "nms": "parity"}),
        ({"threads": 1}, {"threads": 1}),
    ],
)
def test_val_repeats_the_training_except_in_what_it_is_asked_for(asked, wanted):
    stored = {"data": "set.yaml", "imgsz": 96, "iou_thres": 0.5, "conf_thres": 0.002, "pad": 0.0, "threads": 100_000}
    plan = EvaluationPlan.from_settings(ValSettings(**asked), stored)
    assert {key: getattr(plan, key) for key in wanted} == wanted
    assert plan.threads == asked.get("threads", usable_cores())


def test_one_class_of_all_is_asked_for_or_remembered_and_its_boxes_suppress_each_other():
    for settings, stored in ((ValSettings(single_cls=True), {}), (ValSettings(), {"single_cls": True})):
        plan = EvaluationPlan.from_settings(settings, stored)
        assert (plan.single_cls, plan.rules().agnostic, plan.labels().merged) == (True, True, True)
    assert not EvaluationPlan.from_settings(ValSettings(), {}).rules().agnostic


# -- the function


@pytest.fixture
def prepared() -> ValidationData:
    """Ten drawn pictures, in batches of four."""
    data = open_data(str(datasets.write(Path("set"), train=1, val=10)), ("val",))
    plan = EvaluationPlan(data=str(data.dataset.file), imgsz=64, batch_size=4, threads=1)
    return prepare(plan, data, CPU, threads=0)


def test_other_rules_need_no_other_batches_and_other_batches_are_refused(prepared):
    stricter = prepared.under(replace(prepared.plan, iou_thres=0.3, precision="bf16"))
    assert stricter.loader is prepared.loader
    assert stricter.plan.rules().max_iou == 0.3
    for changes in ({"imgsz": 96}, {"batch_size": 2}, {"split": "train"}, {"pad": 0.0}, {"square": True}):
        with pytest.raises(ValueError, match="prepared anew"):
            prepared.under(replace(prepared.plan, **changes))


class Narrow(torch.nn.Module):
    """Runs out of memory when a batch has more images than this."""

    def __init__(self, network: torch.nn.Module, most: int) -> None:
        super().__init__()
        self.network, self.most = network, most

    def forward(self, images: torch.Tensor):
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.network(images)


def in_training(prepared: ValidationData, network: torch.nn.Module, told: list) -> RunValidation:
    return RunValidation(prepared, datasets.NAMES, loss_of(network), told.append, BestBy())


def test_a_training_and_everybody_else_get_the_same_numbers_from_the_same_network(prepared):
    network, told = tiny().eval(), []
    validation = in_training(prepared, network, told)
    results, judged = validation(network, 0, per_class=False, keep=True)
    found = evaluate(prepared, fused(network))
    assert found.metrics.scores.map50_95 > 0
    assert results.items() >= measured(found).items()
    assert judged == found.metrics.scores.fitness
    np.testing.assert_array_equal(validation.last.metrics.flat.detections, found.metrics.flat.detections)
    assert len(validation.kept) == min(KEPT_BATCHES, len(prepared.batches))
    assert found.losses is None
    assert results["val/box_loss"] is not None


def test_when_memory_runs_out_a_training_validates_in_parts_says_so_once_and_finds_the_same(prepared):
    network, told = tiny().eval(), []
    whole = evaluate(prepared, network)
    validation = in_training(prepared, network, told)
    narrow = Narrow(network, 1)
    with pytest.raises(torch.OutOfMemoryError):
        evaluate(prepared, narrow)
    validation(narrow, 0, per_class=False, keep=True)
    said = [event.text for event in told if isinstance(event, Warned)]
    assert [text.split(";")[0] for text in said] == ["out of memory in validation"] * 2
    assert "in 4 parts from now on" in said[-1]
    assert validation.parts == 4
    np.testing.assert_allclose(validation.last.metrics.flat.detections, whole.metrics.flat.detections, atol=1e-4)
    validation(narrow, 1, per_class=False, keep=False)
    assert len([event for event in told if isinstance(event, Warned)]) == 2, "it is remembered"


def test_memory_that_does_not_suffice_for_one_image_is_an_error_and_so_is_every_other_fault(prepared):
    network = tiny().eval()
    validation = in_training(prepared, network, [])
    with pytest.raises(torch.OutOfMemoryError):
        validation(Narrow(network, 0), 0, per_class=False, keep=False)
    assert validation.parts == 4
    with pytest.raises(RuntimeError, match="shapes"):
        validation(Broken(network), 0, per_class=False, keep=False)


class Broken(Narrow):
    """Fails otherwise."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(network, 0)

    def forward(self, _images: torch.Tensor):
        raise RuntimeError("shapes differ")
