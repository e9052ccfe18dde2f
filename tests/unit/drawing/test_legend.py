# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from boxwright.drawing.legend import FEW, captions_hide, legend
from boxwright.drawing.palette import COLOURS

PICTURE = np.full((480, 640, 3), 128, np.uint8)


def boxes(count: int, side: float) -> np.ndarray:
    corner = np.random.default_rng(count).uniform(0, 400, (count, 2))
    return np.concatenate((corner, corner + side), axis=1)


@pytest.mark.parametrize(("count", "side", "hides"), [(60, 8, True), (60, 90, False), (FEW, 8, False), (0, 8, False)])
def test_captions_hide_where_many_boxes_are_smaller_than_they_are(count, side, hides):
    assert captions_hide(PICTURE, boxes(count, side), ["seed"] * count) is hides


def test_without_captions_there_is_nothing_to_hide():
    assert not captions_hide(PICTURE, boxes(60, 12), [""] * 60)


@pytest.mark.parametrize("width", [40, 200, 2000])
def test_a_legend_has_a_patch_of_every_colour_in_any_width(width):
    meanings = {f"class {i}": colour for i, colour in enumerate(COLOURS[:12])}
    drawn = legend(meanings, width, 18)
    assert drawn.shape[1] == width
    for colour in meanings.values():
        assert (drawn == colour).all(axis=2).sum() >= 18 * 18


def test_no_meanings_make_no_line():
    assert legend({}, 100, 18).shape == (0, 100, 3)
