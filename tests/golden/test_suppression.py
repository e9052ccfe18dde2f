# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
import torch

from boxwright.geometry.nms import NmsRules, detections
from boxwright.native.binary import portable
from tests.support import golden

CASES = golden.document("nms")
NUMBERS = golden.arrays("nms")


def run(case, *, parity):
    arguments = case["args"]
    rules = NmsRules(
        min_score=arguments["conf_thres"],
        max_iou=arguments["iou_thres"],
        max_det=arguments.get("max_det", 300),
        multi_label=arguments.get("multi_label", False),
        classes=tuple(arguments["classes"]) if "classes" in arguments else None,
        agnostic=arguments.get("agnostic", False),
        parity=parity,
    )
    labels = case.get("labels_cls_xywh")
    for number, prediction in enumerate(torch.tensor(NUMBERS[f"input_{case['input']}"])):
        priors = torch.tensor(labels[number]).reshape(-1, 5) if labels else None
        found, _ = detections(prediction, rules, priors)
        yield found.numpy()


def as_rows(array):
    return {tuple(row) for row in np.round(array.astype(np.float64), 3)}


def differing(name, *, parity):
    """Rows that only one side keeps, over all images of a case, and how many the reference keeps."""
    apart, rows = 0, 0
    for number, mine in enumerate(run(CASES[name], parity=parity)):
        reference = NUMBERS[name][NUMBERS[name][:, 0] == number][:, 1:]
        apart += len(as_rows(mine) ^ as_rows(reference))
        rows += len(reference)
        assert abs(len(mine) - CASES[name]["kept"][number]) <= 0.005 * len(reference) + 1
    return apart, rows


@pytest.mark.parametrize("parity", [True, False], ids=["parity", "exact"])
@pytest.mark.parametrize("way", [contextlib.nullcontext, portable], ids=["compiled", "portable"])
@pytest.mark.parametrize("name", CASES)
def test_suppression_keeps_what_the_reference_keeps_but_for_half_a_percent_of_borderline_rows(name, way, parity):
    with way():
        apart, rows = differing(name, parity=parity)
    assert apart <= 2 * math.ceil(0.005 * rows)


def test_over_all_cases_parity_is_at_least_as_close_as_exact_suppression_and_nearly_perfect():
    apart = {parity: sum(differing(name, parity=parity)[0] for name in CASES) for parity in (True, False)}
    rows = sum(len(NUMBERS[name]) for name in CASES)
    assert apart[True] <= apart[False]
    assert apart[True] <= 0.001 * rows
