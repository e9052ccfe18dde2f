# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment import render as pixels
from boxwright.data.augment.hsv import with_gains
from boxwright.data.augment.planner import Planner
from boxwright.data.augment.render import render, render_portably
from boxwright.data.augment.transformed_labels import labels_of
from boxwright.data.index.index import Index
from boxwright.keyed import Purpose, generator
from tests.oracles import canvas_mosaic
from tests.support.datasets import SIZES_WH, picture

SIZE = 64
IMAGES = [picture(i, SIZES_WH[i % 4]) for i in range(8)]
LOADED = [canvas_mosaic.resized(np.ascontiguousarray(image[..., ::-1]), SIZE) for image, _ in IMAGES]
STRENGTHS = {
    "default": {},
    "turned": {"degrees": 20.0, "shear": 8.0},
    "perspective": {"degrees": 5.0, "perspective": 0.0008},
    "borders": {"mosaic_border_random": True, "degrees": 5.0},
    "strong": {"degrees": 45.0, "shear": 10.0, "perspective": 0.001, "scale": 0.9, "translate": 0.4, "flipud": 0.5},
}


def index() -> Index:
    rows = [row for _, row in IMAGES]
    counts = [len(row) for row in rows]
    stacked = np.concatenate(rows)
    return Index(
        paths=tuple(f"{i}.png" for i in range(len(IMAGES))),
        sizes_wh=np.array([image.shape[1::-1] for image, _ in IMAGES], np.int32),
        first_object=np.concatenate(([0], np.cumsum(counts))),
        classes=stacked[:, 0].astype(np.int32),
        boxes=stacked[:, 1:].astype(np.float32),
        first_point=np.zeros(len(stacked) + 1, np.int64),
        points=np.zeros((0, 2), np.float32),
    )


INDEX = index()


def planner(**changes) -> Planner:
    return Planner(AugmentSettings(**changes), INDEX.sizes_wh, SIZE)


def plan_of(number: int, **changes):
    return planner(**changes).plan(number % len(IMAGES), generator(number, Purpose.SAMPLE, 0, number), (SIZE, SIZE))


def drawn(plan, *, by=render) -> np.ndarray:
    out = np.zeros((3, SIZE, SIZE), np.uint8)
    by(plan, LOADED.__getitem__, out)
    return out


def textbook(plan):
    """The same plan over a canvas of twice the size, with labels by loops."""
    scene = plan.scenes[0]
    tiles = scene.tiles
    xc, yc = round(tiles[3].offset_xy[0]), round(tiles[3].offset_xy[1])
    canvas, rows = canvas_mosaic.canvas_of(
        [LOADED[t.image] for t in tiles], [IMAGES[t.image][1].astype(np.float32) for t in tiles], (xc, yc), SIZE
    )
    warp = scene.warp
    matrix = canvas_mosaic.matrix_of(
        2 * SIZE, SIZE, warp.perspective_xy, warp.angle, warp.scale, warp.shear_xy, warp.translate_xy
    )
    image, rows = canvas_mosaic.warped(canvas, rows, matrix, SIZE, warp.scale)
    image = canvas_mosaic.coloured(image, np.array(plan.gains_hsv))
    image = image[::-1] if plan.flip_up_down else image
    image = image[:, ::-1] if plan.flip_left_right else image
    centres = np.stack(((rows[:, 1] + rows[:, 3]) / 2, (rows[:, 2] + rows[:, 4]) / 2), 1) / SIZE
    if plan.flip_up_down:
        centres[:, 1] = 1 - centres[:, 1]
    if plan.flip_left_right:
        centres[:, 0] = 1 - centres[:, 0]
    sides = np.stack((rows[:, 3] - rows[:, 1], rows[:, 4] - rows[:, 2]), 1) / SIZE
    return image[..., ::-1].transpose(2, 0, 1), np.concatenate((rows[:, :1], centres, sides), 1)


@settings(max_examples=40)
@given(st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)))
def test_labels_equal_the_textbook_and_pixels_nearly_do(number, strength):
    plan = plan_of(number, **STRENGTHS[strength])
    image, rows = textbook(plan)
    mine = labels_of(plan, INDEX)
    assert mine.shape == rows.shape
    assert np.abs(mine - rows).max(initial=0) < 2e-5  # boxes stay a thousandth of a pixel inside the edge
    for by in (render, render_portably):
        apart = np.abs(drawn(plan, by=by).astype(int) - image.astype(int))
        assert apart.mean() <= 1.0
    if strength != "default":
        assert apart.max() <= 1  # OpenCV over a canvas is the textbook itself


@pytest.mark.parametrize(("drawn_at_random", "borders"), [(False, {128}), (True, {64, 96, 128, 160, 192})])
def test_the_centre_of_a_mosaic_keeps_its_border_from_the_edges(drawn_at_random, borders):
    settings_of = AugmentSettings(mosaic_border_random=drawn_at_random)
    wide = Planner(settings_of, INDEX.sizes_wh, 256)
    scenes = [wide.plan(0, generator(number, Purpose.SAMPLE, 0, 0), (256, 256)).scenes[0] for number in range(2000)]
    centres = np.array([scene.tiles[3].offset_xy for scene in scenes])
    nearest = min(borders)
    assert nearest <= centres.min() < nearest + 8
    assert 512 - nearest - 8 < centres.max() <= 512 - nearest
    assert {scene.output_hw for scene in scenes} == {(256, 256)}
    # a centre as far out as x (from 0 to 256, measured from the middle) needs a border of at most 256 - x
    out = np.abs(centres - 256).max(axis=1)
    shares = [(out <= 256 - border).mean() for border in sorted(borders)]
    expected = [
        np.mean([min((256 - border) / (256 - other), 1) ** 2 for other in borders]) for border in sorted(borders)
    ]
    np.testing.assert_allclose(shares, expected, atol=0.03)


def test_a_size_of_one_grid_step_still_has_a_border():
    small = Planner(AugmentSettings(mosaic_border_random=True), INDEX.sizes_wh, 32)
    assert small.plan(0, generator(0, Purpose.SAMPLE, 0, 0), (32, 32)).scenes[0].tiles[3].offset_xy == (32, 32)


@given(st.integers(0, 2**20))
def test_straight_into_the_output_equals_over_a_canvas_but_for_seams(number):
    scene = plan_of(number).scenes[0]
    matrix = scene.warp.matrix(scene.canvas_hw, scene.output_hw)
    direct = pixels._by_windows(scene, matrix, LOADED.__getitem__).astype(int)
    canvas = canvas_mosaic.warped(pixels._canvas(scene, LOADED.__getitem__), np.zeros((0, 5)), matrix, SIZE, 1.0)[
        0
    ].astype(int)
    apart = np.abs(direct - canvas).max(axis=2)
    assert (apart > 8).mean() < 0.12  # two pixels along each seam and edge of a small picture
    assert np.median(apart) <= 1


@given(st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)))
def test_boxes_stay_inside_and_classes_are_those_of_the_tiles(number, strength):
    plan = plan_of(number, **STRENGTHS[strength], mixup=0.5)
    rows = labels_of(plan, INDEX)
    present = {
        c for scene in plan.scenes for tile in scene.tiles for c in INDEX.classes[INDEX.objects(tile.image)].tolist()
    }
    assert set(rows[:, 0].astype(int)) <= present
    low, high = rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2
    assert (low >= -1e-6).all()
    assert (high <= 1 + 1e-6).all()
    assert (rows[:, 3:] * SIZE > 1.9).all()


@given(st.integers(0, 2**20))
def test_flips_are_involutive_for_pixels_and_labels(number):
    plain = dataclasses.replace(plan_of(number), flip_left_right=False, flip_up_down=False)
    both = dataclasses.replace(plain, flip_left_right=True, flip_up_down=True)
    for by in (render, render_portably):
        assert np.array_equal(drawn(both, by=by)[:, ::-1, ::-1], drawn(plain, by=by))
    there, back = labels_of(both, INDEX), labels_of(plain, INDEX)
    there[:, 1:3] = 1 - there[:, 1:3]
    assert np.allclose(there, back, atol=1e-6)


def test_without_augmentation_a_sample_is_its_letterboxed_source_bit_for_bit():
    made = planner(aug="none")
    for number, (image, _) in enumerate(IMAGES):
        plan = made.plan(number, generator(1, Purpose.SAMPLE, 0, number), (SIZE, SIZE))
        h, w = LOADED[number].shape[:2]
        expected = np.full((SIZE, SIZE, 3), 114, np.uint8)
        top, left = round((SIZE - h) / 2 - 0.1), round((SIZE - w) / 2 - 0.1)
        expected[top : top + h, left : left + w] = LOADED[number]
        for by in (render, render_portably):
            assert np.array_equal(drawn(plan, by=by), expected[..., ::-1].transpose(2, 0, 1))
        assert image.shape[2] == 3


def test_every_augmentation_at_0_is_no_augmentation():
    still = dict.fromkeys(
        (
            "hsv_h",
            "hsv_s",
            "hsv_v",
            "degrees",
            "translate",
            "scale",
            "shear",
            "perspective",
            "flipud",
            "fliplr",
            "mosaic",
            "mixup",
        ),
        0.0,
    )
    for number in range(len(IMAGES)):
        quiet = planner(**still).plan(number, generator(1, Purpose.SAMPLE, 0, number), (SIZE, SIZE))
        none = planner(aug="none").plan(number, generator(1, Purpose.SAMPLE, 0, number), (SIZE, SIZE))
        assert np.array_equal(drawn(quiet), drawn(none))
        assert np.allclose(labels_of(quiet, INDEX), labels_of(none, INDEX), atol=1e-6)


@given(st.integers(0, 2**20))
def test_a_plan_depends_on_its_address_alone(number):
    first, second = plan_of(number, mixup=0.5), plan_of(number, mixup=0.5)
    assert first == second
    assert np.array_equal(drawn(first), drawn(second))


def test_mosaic_can_be_closed_and_mixup_blends_two_scenes():
    made = planner(mixup=1.0)
    draw = lambda: generator(0, Purpose.SAMPLE, 0, 1)  # noqa: E731 -- the same address twice
    opened, closed = made.plan(0, draw(), (SIZE, SIZE)), made.plan(0, draw(), (SIZE, SIZE), mosaic_closed=True)
    assert len(opened.scenes) == 2
    assert len(opened.scenes[0].tiles) == 4
    assert 0 < opened.share < 1
    assert len(closed.scenes) == 1
    assert len(closed.scenes[0].tiles) == 1


def test_a_replaced_image_takes_the_place_of_another_after_everything_is_drawn():
    made = planner()
    before = made.plan(3, generator(0, Purpose.SAMPLE, 0, 1), (SIZE, SIZE))
    after = made.plan(3, generator(0, Purpose.SAMPLE, 0, 1), (SIZE, SIZE), replaced={3: 5})
    expected = [5 if tile.image == 3 else tile.image for tile in before.scenes[0].tiles]
    assert [tile.image for tile in after.scenes[0].tiles] == expected
    assert after.scenes[0].warp == before.scenes[0].warp
    assert after.gains_hsv == before.gains_hsv


def test_mixup_blends_by_the_beta_law_of_the_recipe():
    shares = [plan_of(number, mixup=1.0, mixup_beta=32.0).share for number in range(400)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.02)
    assert np.std(shares) == pytest.approx((0.25 / 65) ** 0.5, rel=0.15)


def test_gains_of_one_change_nothing_and_others_stay_within_range():
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    assert with_gains(image, (1.0, 1.0, 1.0)) is image
    bright = with_gains(image.copy(), (1.0, 1.0, 1.9))
    assert bright.dtype == np.uint8
    assert bright.mean() > image.mean()
