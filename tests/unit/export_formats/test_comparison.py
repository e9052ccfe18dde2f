# SPDX-License-Identifier: Apache-2.0
"""When two networks say the same."""

from __future__ import annotations

import math

import pytest
import torch

from boxwright.export_formats.comparison import FULL, HALF, Comparison, relative_distance
from boxwright.geometry.nms import NmsRules
from tests.support.knowing import certain

pytestmark = pytest.mark.slow

RULES = NmsRules(0.25, 0.45, 300)


def said(*boxes: tuple[float, ...], scores: tuple[float, ...] = (0.9, 0.8, 0.7)) -> torch.Tensor:
    """Predictions of one image: cx, cy, w, h and class of every place. (1, P, 8)"""
    rows = torch.tensor(boxes)
    answer = certain(rows[:, :4], rows[:, 4], 3, 1.0)
    answer[:, 4] = torch.tensor(scores[: len(rows)])
    return answer[None]


BASE = said((20, 20, 10, 10, 0), (50, 50, 12, 8, 1))


def fault(other: torch.Tensor, reference: torch.Tensor = BASE, limits=FULL) -> str:
    comparison = Comparison(limits)
    comparison.take_predictions(reference, other, RULES)
    return comparison.fault


def rows_fault(rows: list[tuple[float, ...]], reference: torch.Tensor = BASE) -> str:
    comparison = Comparison(FULL)
    comparison.take_rows(reference, torch.tensor([[*rows, *[(0.0,) * 6] * 3]]), RULES)
    return comparison.fault


SAME = [(15.0, 15.0, 25.0, 25.0, 0.9, 0.0), (44.0, 46.0, 56.0, 54.0, 0.8, 1.0)]


def test_what_is_equal_up_to_rounding_is_the_same():
    assert not fault(BASE)
    assert not fault(BASE * (1 + 5e-5))
    assert not rows_fault(SAME)
    assert not rows_fault(SAME[::-1])


@pytest.mark.parametrize("by", [2e-4, -2e-4, math.nan, math.inf])
@pytest.mark.parametrize("column", [0, 2, 4, 5])
def test_a_raw_number_beyond_the_limit_is_a_fault(column, by):
    other = BASE.clone()
    other[0, 0, column] += by * (1 if column > 3 else float(other[0, 0, column]))
    assert "predictions differ by" in fault(other)
    assert not math.isfinite(by) or not fault(other, limits=HALF)


def test_other_shapes_are_infinitely_far():
    assert relative_distance(BASE, BASE[:, :1]) == math.inf


@pytest.mark.parametrize(
    "rows",
    [
        SAME[:1],
        [*SAME, (0.0, 0.0, 5.0, 5.0, 0.6, 2.0)],
        [SAME[0], (44.0, 46.0, 56.0, 54.0, 0.8, 2.0)],
        [SAME[0], (44.0, 46.0, 56.1, 54.0, 0.8, 1.0)],
        [SAME[0], (44.0, 46.0, 56.0, 54.0, 0.79, 1.0)],
    ],
    ids=["one is missing", "one is made up", "another class", "another box", "another score"],
)
def test_a_detection_without_an_equal_is_a_fault(rows):
    assert "detections differ" in rows_fault(rows)


def test_rounding_may_decide_a_tie_and_what_hangs_on_it():
    reference = said((20, 20, 10, 10, 0), (22, 20, 10, 10, 0), (27, 20, 10, 10, 0), scores=(0.9, 0.9, 0.5))
    first, second = (15.0, 15.0, 25.0, 25.0, 0.9, 0.0), (17.0, 15.0, 27.0, 25.0, 0.9, 0.0)
    assert not rows_fault([first, (22.0, 15.0, 32.0, 25.0, 0.5, 0.0)], reference)
    assert not rows_fault([second, (22.0, 15.0, 32.0, 25.0, 0.5, 0.0)], reference)
    decided = said((20, 20, 10, 10, 0), (22, 20, 10, 10, 0), scores=(0.9, 0.8))
    assert "detections differ" in rows_fault([(17.0, 15.0, 27.0, 25.0, 0.8, 0.0)], decided)


def test_who_is_just_above_the_least_score_does_not_count():
    reference = said((20, 20, 10, 10, 0), (50, 50, 12, 8, 1), scores=(0.9, 0.25 + 5e-5))
    assert not rows_fault(SAME[:1], reference)


def test_a_network_that_is_sure_of_nothing_is_compared_all_the_same():
    comparison = Comparison(FULL)
    unsure = said((20, 20, 10, 10, 0), scores=(0.001,))
    comparison.take_predictions(unsure, unsure, RULES)
    assert comparison.detections == 1
