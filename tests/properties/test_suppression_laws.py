# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from boxwright.geometry import nms
from tests.oracles import greedy_nms


def scene(number: int, count: int, num_classes: int):
    """Clustered boxes with distinct scores, best first."""
    draw = np.random.default_rng(number)
    centres = draw.uniform(50, 300, (max(count // 6, 1), 2))[draw.integers(0, max(count // 6, 1), count)] + draw.normal(
        0, 6, (count, 2)
    )
    half = draw.uniform(3, 40, (count, 2))
    scores = np.sort(draw.permutation(count) + draw.uniform(0, 0.5, count))[::-1] / (count + 1)
    boxes = torch.tensor(np.concatenate((centres - half, centres + half), 1), dtype=torch.float32)
    return boxes, torch.tensor(scores.copy(), dtype=torch.float32), torch.tensor(draw.integers(0, num_classes, count))


@given(
    st.integers(0, 2**20),
    st.integers(1, 1500),
    st.integers(1, 4),
    st.sampled_from([0.1, 0.45, 0.6, 0.9]),
    st.sampled_from([5, 300]),
)
def test_suppression_by_blocks_equals_the_greedy_walk(number, count, num_classes, max_iou, max_det):
    boxes, scores, classes = scene(number, count, num_classes)
    rules = nms.NmsRules(max_iou=max_iou, max_det=max_det)
    assert nms.suppress(boxes, scores, classes, rules).tolist() == greedy_nms.greedy(
        boxes, scores, classes, max_iou, max_det
    )


@given(st.integers(0, 2**20), st.integers(1, 600))
def test_suppression_is_idempotent(number, count):
    boxes, scores, classes = scene(number, count, 3)
    kept = nms.suppress(boxes, scores, classes, nms.NmsRules())
    again = nms.suppress(boxes[kept], scores[kept], classes[kept], nms.NmsRules())
    assert again.tolist() == list(range(len(kept)))


@given(st.integers(0, 2**20))
def test_agnostic_suppression_keeps_no_more_than_suppression_by_class(number):
    boxes, scores, classes = scene(number, 300, 4)
    by_class = nms.suppress(boxes, scores, classes, nms.NmsRules(max_det=1000))
    agnostic = nms.suppress(boxes, scores, classes, nms.NmsRules(max_det=1000, agnostic=True))
    assert len(agnostic) <= len(by_class)


def test_boxes_without_area_do_not_suppress_each_other():
    boxes = torch.zeros(3, 4)
    kept = nms.suppress(boxes, torch.tensor([0.9, 0.8, 0.7]), torch.zeros(3, dtype=torch.long), nms.NmsRules())
    assert kept.tolist() == [0, 1, 2]


def test_the_cap_on_candidates_is_a_count_that_is_reported():
    prediction = torch.rand(200, 5 + 10) * 0.5 + 0.5
    found = nms.candidates(prediction, nms.NmsRules(min_score=0.001, multi_label=True, max_candidates=300))
    assert len(found.scores) == 300
    assert found.num_capped == 2000 - 300
    assert (found.scores[:-1] >= found.scores[1:]).all()


def test_a_detection_that_is_not_a_number_is_no_candidate():
    prediction = torch.full((4, 8), float("nan"))
    found, _ = nms.detections(prediction, nms.NmsRules())
    assert found.shape == (0, 6)
