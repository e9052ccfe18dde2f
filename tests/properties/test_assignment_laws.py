# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from boxwright.loss.assign import assign
from tests.oracles import dense_loss
from tests.support.strategies import targets

ANCHORS = torch.tensor([[1.25, 1.625], [2.0, 3.75], [4.125, 2.875]])


@given(targets(3, 4, max_targets=6), st.sampled_from([(5, 7), (8, 8), (1, 3)]), st.sampled_from([2.0, 4.0]))
def test_assignment_equals_the_definition_written_as_loops(rows, grid_hw, anchor_t):
    given_targets = torch.tensor(rows)
    found = assign(given_targets, ANCHORS, grid_hw, anchor_t)
    mine = list(zip(*(column.tolist() for column in found.cells), strict=True))
    expected = dense_loss.matches(given_targets, ANCHORS, *grid_hw, anchor_t)
    assert mine == [row[:4] for row in expected]
    assert found.classes.tolist() == [int(rows[row[4], 1]) for row in expected]


@given(targets(3, 4), st.sampled_from([(5, 7), (20, 24)]))
def test_fixed_shapes_hold_the_same_matches_in_the_same_order(rows, grid_hw):
    compact = assign(torch.tensor(rows), ANCHORS, grid_hw, 4.0)
    fixed = assign(torch.tensor(rows), ANCHORS, grid_hw, 4.0, fixed_shapes=True)
    assert fixed.valid is not None
    assert len(fixed.classes) == 5 * 3 * len(rows)
    for mine, all_rows in zip(
        (*compact.cells, compact.classes, compact.boxes), (*fixed.cells, fixed.classes, fixed.boxes), strict=True
    ):
        assert torch.equal(mine, all_rows[fixed.valid])


@given(targets(2, 3))
def test_every_match_lies_on_the_grid_and_its_centre_is_near(rows):
    found = assign(torch.tensor(rows), ANCHORS, (6, 9), 4.0)
    assert ((found.cells.row >= 0) & (found.cells.row < 6)).all()
    assert ((found.cells.column >= 0) & (found.cells.column < 9)).all()
    assert ((found.boxes[:, :2] >= -0.5 - 1e-5) & (found.boxes[:, :2] <= 1.5 + 1e-5)).all()
