# SPDX-License-Identifier: Apache-2.0
"""Regions to ignore move with their picture: by the textbook over a canvas, through every way that a sample is made."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.planner import Planner
from boxwright.data.augment.transformed_labels import labels_of, regions_of, truth_of
from boxwright.data.index.index import Index
from boxwright.data.sampling.batches import RectangularBatches, ShuffledBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.quad import QuadBatches, QuadSamples
from boxwright.data.sampling.samples import Address, PlainSamples
from boxwright.data.stores.image_store import ImageStore
from boxwright.keyed import Purpose, generator
from boxwright.structures.truth import Truth
from tests.oracles import canvas_mosaic
from tests.support.datasets import SIZES_WH

SIZE = 64
IMAGES = 8
STRENGTHS = {
    "default": {},
    "turned": {"degrees": 20.0, "shear": 8.0},
    "perspective": {"degrees": 5.0, "perspective": 0.0008},
    "strong": {"degrees": 45.0, "shear": 10.0, "scale": 0.9, "translate": 0.4, "flipud": 0.5, "fliplr": 0.5},
}


def index() -> Index:
    """Pictures with three regions and no object, the last one without either."""
    draw = np.random.default_rng(41)
    sides = draw.uniform(0.02, 0.6, (3 * (IMAGES - 1), 2))
    rows = np.concatenate((np.zeros((len(sides), 1)), draw.uniform(sides / 2, 1 - sides / 2), sides), axis=1)
    return Index(
        paths=tuple(f"{i}.png" for i in range(IMAGES)),
        sizes_wh=np.array([SIZES_WH[i % 4] for i in range(IMAGES)], np.int32),
        first_object=np.zeros(IMAGES + 1, np.int64),
        classes=np.zeros(0, np.int32),
        boxes=np.zeros((0, 4), np.float32),
        first_point=np.zeros(1, np.int64),
        points=np.zeros((0, 2), np.float32),
        ignored=rows.astype(np.float32),
        image_of_ignored=np.repeat(np.arange(IMAGES - 1), 3),
    )


INDEX = index()
AS_OBJECTS = dataclasses.replace(
    INDEX,
    first_object=np.searchsorted(INDEX.image_of_ignored, np.arange(IMAGES + 1)),
    classes=INDEX.ignored[:, 0].astype(np.int32),
    boxes=INDEX.ignored[:, 1:],
    first_point=np.zeros(len(INDEX.ignored) + 1, np.int64),
)


def plan_of(number: int, **changes):
    planner = Planner(AugmentSettings(**changes), INDEX.sizes_wh, SIZE)
    return planner.plan(number % IMAGES, generator(number, Purpose.SAMPLE, 0, number), (SIZE, SIZE))


def textbook(plan) -> np.ndarray:
    """Corners in output pixels, region by region: onto the canvas, cut, turned, cut, mirrored. (K, 4)"""
    found = []
    for scene in plan.scenes:
        warp = scene.warp
        matrix = canvas_mosaic.matrix_of(
            scene.canvas_hw[0], SIZE, warp.perspective_xy, warp.angle, warp.scale, warp.shear_xy, warp.translate_xy
        )
        for tile in scene.tiles:
            (h, w), (x, y) = tile.loaded_hw, tile.box_offset_xy
            for _, cx, cy, rw, rh in INDEX.ignored_in(tile.image).tolist():
                x1, x2 = (
                    min(max(side * w * tile.gain_xy[0] + x, 0), scene.canvas_hw[1])
                    for side in (cx - rw / 2, cx + rw / 2)
                )
                y1, y2 = (
                    min(max(side * h * tile.gain_xy[1] + y, 0), scene.canvas_hw[0])
                    for side in (cy - rh / 2, cy + rh / 2)
                )
                if x2 <= x1 or y2 <= y1:
                    continue
                corners = np.array([[x1, y1, 1], [x2, y2, 1], [x1, y2, 1], [x2, y1, 1]]) @ matrix.T
                corners = corners[:, :2] / corners[:, 2:]
                low, high = corners.min(0).clip(0, SIZE), corners.max(0).clip(0, SIZE)
                if plan.flip_left_right:
                    low[0], high[0] = SIZE - high[0], SIZE - low[0]
                if plan.flip_up_down:
                    low[1], high[1] = SIZE - high[1], SIZE - low[1]
                if (high - low).min() > 2e-3:  # what lies in the outermost thousandth of a pixel may be there or not
                    found.append([*low, *high])
    return np.array(found).reshape(-1, 4)


def corners_px(regions: np.ndarray) -> np.ndarray:
    corners = np.concatenate(
        (regions[:, :2] - regions[:, 2:] / 2, regions[:, :2] + regions[:, 2:] / 2), axis=1
    ) * float(SIZE)
    return corners[(corners[:, 2:] - corners[:, :2] > 2e-3).all(axis=1)]


@settings(max_examples=60)
@given(
    st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)), st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])
)
def test_moved_regions_equal_the_textbook(number, strength, mosaic, mixup):
    plan = plan_of(number, **STRENGTHS[strength], mosaic=mosaic, mixup=mixup)
    assert len(plan.scenes[0].tiles) == (4 if mosaic else 1)
    mine, expected = corners_px(regions_of(plan, INDEX)), textbook(plan)
    assert mine.shape == expected.shape
    assert np.abs(mine - expected).max(initial=0) < 2e-3


@given(st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)))
def test_regions_move_as_boxes_of_objects_do_and_outlast_them(number, strength):
    plan = plan_of(number, **STRENGTHS[strength])
    regions, boxes = regions_of(plan, INDEX), labels_of(plan, AS_OBJECTS)[:, 1:]
    assert len(regions) >= len(boxes)
    assert {row.tobytes() for row in boxes} <= {row.tobytes() for row in regions}


def test_samples_without_regions_say_so_and_objects_are_untouched_by_regions():
    both = dataclasses.replace(AS_OBJECTS, ignored=INDEX.ignored, image_of_ignored=INDEX.image_of_ignored)
    none = dataclasses.replace(AS_OBJECTS, ignored=INDEX.ignored[:0], image_of_ignored=INDEX.image_of_ignored[:0])
    for number in range(20):
        plan = plan_of(number, degrees=10.0, mixup=0.5)
        assert truth_of(plan, both).objects.tobytes() == truth_of(plan, none).objects.tobytes()
        assert truth_of(plan, none).regions.shape == (0, 4)


# -- from samples to batches


def known_samples(address: Address, out: np.ndarray) -> Truth:
    """The truth of a sample, over no picture."""
    out[:] = 0
    return truth_of(plan_of(address.position), INDEX)


def test_the_four_of_a_quad_bring_their_regions_to_their_quarter():
    batches = QuadBatches(ShuffledBatches(IMAGES, IMAGES, SIZE, 0))
    samples = QuadSamples(known_samples, batches, 0)
    kinds = set()
    for epoch in range(6):
        for address in (a for batch in batches.batches(epoch) for a in batch):
            mine = samples(address, np.empty((3, 2 * SIZE, 2 * SIZE), np.uint8)).regions
            singles = [regions_of(plan_of(member.position), INDEX) for member in batches.members(address)]
            tiled = len(mine) != len(singles[0])
            kinds.add(tiled)
            rows = [(cx, cy, w, h) for cx, cy, w, h in singles[0]]
            if tiled:
                corners = [(0, 0), (0, 0.5), (0.5, 0), (0.5, 0.5)]  # x, y of each: the second lies under the first
                rows = [
                    (cx / 2 + x, cy / 2 + y, w / 2, h / 2)
                    for (x, y), single in zip(corners, singles, strict=True)
                    for cx, cy, w, h in single
                ]
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, np.array(rows).reshape(-1, 4), atol=1e-6)
    assert kinds == {True, False}


@pytest.mark.parametrize("threads", [0, 2])
def test_a_batch_names_the_image_of_each_region_and_holds_none_where_there_is_none(threads):
    addresses = [Address(0, position, position, (SIZE, SIZE)) for position in range(4)]
    (batch,) = Loader(known_samples, threads=threads)([addresses])
    for place in range(4):
        expected = regions_of(plan_of(place), INDEX)
        assert np.array_equal(batch.regions[batch.regions[:, 0] == place, 1:], expected)
        part = batch.part(place, place + 1)
        assert np.array_equal(part.regions[:, 1:], expected)
        assert part.regions[:, 0].tolist() == [0] * len(expected)
    assert np.array_equal(batch.copied().regions, batch.regions)
    assert batch.part(1, 3).image_numbers == (1, 2)
    (empty,) = Loader(lambda _, out: Truth(np.zeros((0, 5), np.float32)), threads=threads)([addresses])
    assert empty.regions is None
    assert empty.copied().regions is None
    assert empty.part(0, 2).regions is None


def test_in_validation_a_region_lies_where_the_picture_lies(tmp_path):
    absent = dataclasses.replace(INDEX, paths=tuple(str(tmp_path / path) for path in INDEX.paths))
    samples = PlainSamples(absent, ImageStore(absent, SIZE, smooth=True))
    (batch,) = Loader(samples, threads=0)(RectangularBatches(INDEX.sizes_wh, IMAGES, SIZE, 32, 0.5).batches())
    height, width = batch.images.shape[2:]
    for place, image in enumerate(batch.image_numbers):
        mine = batch.regions[batch.regions[:, 0] == place, 1:].numpy().astype(np.float64)
        corners = np.concatenate((mine[:, :2] - mine[:, 2:] / 2, mine[:, :2] + mine[:, 2:] / 2), axis=1) * [
            width,
            height,
            width,
            height,
        ]
        native = samples.to_source(image, (height, width)).boxes_to_source(corners)
        np.testing.assert_allclose(native, samples.regions(image)[:, 1:], atol=1e-3)
