# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from boxwright.data.drawn import sample_set, scene
from boxwright.data.drawn.catalogue import SHAPES
from boxwright.data.drawn.light import Light
from boxwright.data.drawn.pen import Pen
from boxwright.data.drawn.sample_set import NAMES, SIZE, SPLITS, draw
from boxwright.data.drawn.sprite import Sprite
from boxwright.data.drawn.stage import Stage
from boxwright.keyed import Purpose, generator

pytestmark = pytest.mark.slow

LIGHT = Light.from_angle(0.5)


@pytest.fixture(scope="module")
def pictures():
    """The first 60 of the training pictures."""
    return [draw(0, "train", index) for index in range(60)]


def bytes_of(drawn):
    return drawn.image_rgb.tobytes(), drawn.rows.tobytes(), drawn.jpeg_quality


def corners_px(rows, size=SIZE):
    """(N, 4) x1, y1, x2, y2"""
    return np.hstack([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2]) * size


def plate(height, width):
    """A white sprite that fills its canvas."""
    return Sprite(
        np.full((height, width, 3), 255, np.float32), np.ones((height, width), np.float32), float(max(height, width))
    )


def empty_stage(side=100):
    return Stage(np.full((side, side, 3), 90, np.float32), LIGHT)


def test_a_picture_has_the_form_that_it_promises(pictures):
    for drawn in pictures:
        assert drawn.image_rgb.shape == (SIZE, SIZE, 3)
        assert drawn.image_rgb.dtype == np.uint8
        assert drawn.image_rgb.flags.c_contiguous
        assert drawn.rows.ndim == 2
        assert drawn.rows.shape[1] == 5
        assert 75 <= drawn.jpeg_quality <= 95
    assert len(NAMES) == len(set(NAMES)) == 8
    assert list(SPLITS.values()) == [480, 96]


def test_a_picture_does_not_depend_on_what_was_drawn_before(pictures):
    for index in (41, 7, 19, 7):
        assert bytes_of(draw(0, "train", index)) == bytes_of(pictures[index])


def test_a_picture_handed_out_belongs_to_the_caller(pictures):
    first = draw(0, "train", 5)
    first.image_rgb[:] = 0
    first.rows[:] = 0
    assert bytes_of(draw(0, "train", 5)) == bytes_of(pictures[5])


def test_seed_split_index_and_size_each_make_another_picture(pictures):
    others = [draw(1, "train", 7), draw(0, "val", 7), draw(0, "train", 8), draw(7, "train", 0)]
    assert all((other.image_rgb != pictures[7].image_rgb).mean() > 0.5 for other in others)
    assert draw(0, "train", 7, size=160).image_rgb.shape == (160, 160, 3)


def test_four_threads_draw_what_one_draws(pictures):
    indices = [*range(16), *range(16)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda index: bytes_of(draw(0, "train", index)), indices))
    assert together == [bytes_of(pictures[index]) for index in indices]


def test_drawing_leaves_no_trace():
    before = cv2.getNumThreads(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    draw(3, "val", 2)
    after = cv2.getNumThreads(), np.random.get_state()[1].tobytes()  # noqa: NPY002
    assert before == after
    assert not list(Path.cwd().iterdir())


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="test"):
        draw(0, "test", 0)


def test_no_two_pictures_are_alike(pictures):
    assert len({drawn.image_rgb.tobytes() for drawn in pictures}) == len(pictures)
    thumbs = np.stack(
        [
            cv2.resize(drawn.image_rgb, (16, 16), interpolation=cv2.INTER_AREA).astype(float).ravel()
            for drawn in pictures
        ]
    )
    apart = np.abs(thumbs[:, None] - thumbs[None]).mean(axis=2) + 255 * np.eye(len(thumbs))
    assert apart.min() > 4


def test_boxes_lie_inside_on_whole_pixels_and_differ(pictures):
    for drawn in pictures:
        corners = corners_px(drawn.rows)
        assert np.abs(corners - corners.round()).max(initial=0) < 1e-9
        assert (corners.round() >= 0).all()
        assert (corners.round() <= SIZE).all()
        assert len(np.unique(drawn.rows, axis=0)) == len(drawn.rows)


def test_sizes_spread_over_the_octaves(pictures):
    sides = np.concatenate([drawn.rows[:, 3:] for drawn in pictures]) * SIZE
    longer = sides.max(axis=1)
    assert sides.min() >= 3
    assert longer.max() <= 0.6 * SIZE + 3
    assert 40 < np.median(longer) < 70
    assert (longer < 25).mean() > 0.08
    assert (longer > 100).mean() > 0.08


def test_every_class_comes_about_equally_often(pictures):
    classes = np.concatenate([drawn.rows[:, 0] for drawn in pictures])
    assert np.isin(classes, range(8)).all()
    shares = np.bincount(classes.astype(int), minlength=8) / len(classes)
    assert shares.min() > 0.06
    assert shares.max() < 0.2


def test_one_picture_in_twelve_is_empty_and_the_others_hold_one_to_nine(pictures):
    numbers = np.array([scene.choose_number(generator(5, Purpose.DRAWING, 0, index)) for index in range(5000)])
    assert abs((numbers == 0).mean() - 0.08) < 0.012
    assert numbers.max() == 9
    assert abs(numbers.mean() - 4.3) < 0.15
    drawn_numbers = [len(drawn.rows) for drawn in pictures]
    assert 1 <= drawn_numbers.count(0) <= 12
    assert max(drawn_numbers) == 9


def test_a_box_frames_what_the_picture_shows():
    """On a black ground there are no shadows: every pixel that is lit belongs to the object."""
    for number in range(40):
        rng = generator(0, Purpose.DRAWING, 0, number)
        stage = Stage(np.zeros((200, 200, 3), np.float32), LIGHT)
        sprite = scene.make_sprite(rng, SHAPES[number % 8], rng.uniform(12, 120), LIGHT)
        assert scene.place_somewhere(rng, stage, sprite, number % 8)
        left, top, width, height = cv2.boundingRect((stage.picture.max(axis=2) > 20).astype(np.uint8))
        assert np.abs(corners_px(stage.rows(), 200)[0] - (left, top, left + width, top + height)).max() <= 2.01
        assert stage.rows()[0, 0] == number % 8


def test_every_side_of_a_box_touches_its_object_and_nothing_of_it_is_outside(monkeypatch):
    stages = []
    monkeypatch.setattr(
        sample_set, "draw_scene", lambda rng, size: stages.append(scene.draw_scene(rng, size)) or stages[-1]
    )
    for index in range(12):
        rows = draw(2, "train", index).rows
        owner = stages[-1].owner
        assert set(np.unique(owner)) == {-1, *range(len(rows))} or (owner >= 0).all()
        for number, (x1, y1, x2, y2) in enumerate(corners_px(rows).round().astype(int)):
            mine = owner == number
            inside = mine[y1:y2, x1:x2]
            assert inside.sum() == mine.sum()
            assert all(edge.any() for edge in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


def test_what_is_covered_is_not_in_the_box():
    stage = empty_stage()
    assert stage.lay(plate(40, 40), 3, (10, 20))
    assert stage.lay(plate(40, 40), 5, (32, 20))
    assert corners_px(stage.rows(), 100).round(9).tolist() == [[10, 20, 32, 60], [32, 20, 72, 60]]
    assert stage.rows()[:, 0].tolist() == [3, 5]


def test_an_object_is_cut_at_the_edge_of_the_picture():
    stage = empty_stage()
    assert stage.lay(plate(40, 40), 0, (-5, 65))
    assert corners_px(stage.rows(), 100).round(9).tolist() == [[0, 65, 35, 100]]


@pytest.mark.parametrize(
    ("corner_xy", "why"),
    [
        ((28, 20), "it would cover more than half of what lies there"),
        ((-20, 60), "more than 40 % of it would be outside"),
        ((200, 60), "all of it would be outside"),
        ((-200, -200), "all of it would be outside"),
    ],
)
def test_what_would_hardly_be_seen_is_not_laid(corner_xy, why):
    stage = empty_stage()
    stage.lay(plate(40, 40), 0, (10, 20))
    picture, owner = stage.picture.copy(), stage.owner.copy()
    assert not stage.lay(plate(40, 40), 1, corner_xy), why
    assert (stage.picture == picture).all()
    assert (stage.owner == owner).all()
    assert len(stage.rows()) == 1


def test_a_shadow_falls_away_from_the_light():
    stage = Stage(np.full((100, 100, 3), 200, np.float32), Light.from_angle(0.0))
    stage.lay(plate(40, 40), 0, (30, 30))
    towards, away = stage.picture[50, 71, 0], stage.picture[50, 28, 0]
    assert away < towards - 5
    assert stage.picture[2, 97, 0] == 200


@pytest.mark.parametrize("shape", SHAPES, ids=NAMES)
def test_every_shape_fits_its_canvas_and_varies(shape):
    seen = set()
    for number in range(12):
        pen = Pen(120)
        shape.draw(pen, generator(4, Purpose.DRAWING, number))
        rim = np.concatenate([pen.coverage[0], pen.coverage[-1], pen.coverage[:, 0], pen.coverage[:, -1]])
        assert not rim.any()
        assert pen.coverage.max() == 255
        _, _, width, height = cv2.boundingRect(pen.coverage)
        assert max(width, height) > 90
        assert len(np.unique(pen.colour[pen.coverage == 255], axis=0)) > 3
        seen.add(pen.colour.tobytes())
    assert len(seen) == 12


@pytest.mark.parametrize("name", ["donut", "gear"])
def test_rings_can_be_seen_through(name):
    pen = Pen(120)
    SHAPES[NAMES.index(name)].draw(pen, generator(0, Purpose.DRAWING, 0))
    assert pen.coverage[60, 60] == 0
    assert pen.premultiplied()[60, 60].tolist() == [0, 0, 0, 0]


def test_the_set_itself_is_part_of_the_contract(pictures):
    assert [drawn.rows[:, 0].astype(int).tolist() for drawn in pictures[:6]] == CONTRACT


CONTRACT = [[6, 6], [6, 1, 3, 4, 7, 2, 0, 4, 7], [3, 2, 5, 3], [6], [0, 2, 4, 4, 7, 3, 1, 6, 5], [7, 5]]
