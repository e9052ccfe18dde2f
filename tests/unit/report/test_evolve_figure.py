# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from boxwright.report.evolve_figure import evolve_figure

pytestmark = pytest.mark.slow
ORANGE = (213, 94, 0)  # of the ring around the best


def share_of(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 12).sum())


def test_every_key_has_a_panel_in_which_the_best_is_marked():
    random = np.random.default_rng(0)
    fitness = list(random.random(9))
    one = evolve_figure({"lr0": list(random.random(9))}, fitness, 4)
    three = evolve_figure({name: list(random.random(9)) for name in ("lr0", "box", "cls")}, fitness, 4)
    assert one.dtype == np.uint8
    assert three.shape[1] == 3 * one.shape[1]
    assert share_of(three, ORANGE) > 2 * share_of(one, ORANGE) > 0
    assert share_of(evolve_figure({"lr0": list(random.random(9))}, fitness, None), ORANGE) == 0


def test_a_key_that_stayed_is_grey():
    picture = evolve_figure({"degrees": [0.0] * 5}, [0.1, 0.2, 0.3, 0.2, 0.1], 2)
    assert share_of(picture, ORANGE) == 0
    assert (np.ptp(picture.astype(int), axis=2) < 12).all()


@pytest.mark.parametrize("count", [0, 1])
def test_there_is_a_picture_of_no_trial_and_of_one(count):
    picture = evolve_figure({"lr0": [0.01] * count}, [0.5] * count, 0 if count else None)
    assert (picture < 200).any()
