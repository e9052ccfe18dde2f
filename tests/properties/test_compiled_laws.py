# SPDX-License-Identifier: Apache-2.0
"""The compiled kernels and the portable ways say the same."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment import render as pixels
from boxwright.data.augment.planner import Planner
from boxwright.data.labels.label_file import parse_labels
from boxwright.geometry import nms
from boxwright.keyed import Purpose, generator
from boxwright.metrics import curves, matching
from boxwright.native import binary
from boxwright.native.render import Look, Painting, draw
from tests.properties.test_metric_laws import scene as metric_scene
from tests.support.compiled import require_kernels

STRENGTHS = {
    "default": {},
    "blended": {"mixup": 1.0},
    "turned": {"degrees": 30.0, "shear": 8.0, "flipud": 0.5},
    "perspective": {"degrees": 5.0, "perspective": 0.0008},
    "horizon": {"degrees": 90.0, "perspective": 0.01, "scale": 0.9},
    "alone": {"mosaic": 0.0, "degrees": 10.0},
}


@pytest.fixture(autouse=True)
def built():
    require_kernels()


# -- pictures


def smooth_picture(number: int, size_wh: tuple[int, int]) -> np.ndarray:
    """Waves of colour with little noise, as in photographs. (H, W, 3) uint8"""
    draw_from = np.random.default_rng([3, number])
    x, y = np.meshgrid(np.arange(size_wh[0]), np.arange(size_wh[1]))
    waves = [
        127
        + 110 * np.sin(x * draw_from.uniform(0.01, 0.2) + y * draw_from.uniform(0.01, 0.2) + draw_from.uniform(0, 6))
        for _ in range(3)
    ]
    return (
        (np.stack(waves, axis=-1) + draw_from.normal(0, 2, (size_wh[1], size_wh[0], 3))).clip(0, 255).astype(np.uint8)
    )


def planned(number: int, size: int, output_hw: tuple[int, int], **changes):
    """Pictures in loaded size and a plan for them."""
    sizes = [(160, 120), (90, 160), (160, 160), (160, 33)]
    planner = Planner(AugmentSettings(**changes), np.array(sizes, np.int32), size)
    loaded = [smooth_picture(i, planner.loaded_hw(i)[::-1]) for i in range(len(sizes))]
    return planner.plan(number % len(sizes), generator(number, Purpose.SAMPLE, 0, number), output_hw), loaded


def drawn_by(render, plan, loaded) -> np.ndarray:
    out = np.zeros((3, *plan.scenes[0].output_hw), np.uint8)
    render(plan, loaded.__getitem__, out)
    return out


def look_of(plan, **changes) -> Look:
    return dataclasses.replace(
        Look(114, plan.share, plan.gains_hsv, plan.flip_up_down, plan.flip_left_right), **changes
    )


@settings(max_examples=100)
@given(st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)))
def test_the_kernel_draws_what_opencv_draws_to_a_level(number, strength):
    plan, loaded = planned(number, 160, (160, 160), **STRENGTHS[strength])
    apart = np.abs(drawn_by(pixels.render, plan, loaded).astype(int) - drawn_by(pixels.render_portably, plan, loaded))
    seams = strength in {
        "default",
        "blended",
    }  # there OpenCV draws tile by tile, and a small picture is seams for a good part
    assert (apart[apart <= 12] if seams else apart).mean() <= 1.0
    assert (apart > 12).mean() < (0.04 if seams else 0.005)


@settings(max_examples=30)
@given(st.integers(0, 2**20))
def test_one_picture_on_a_rectangle_is_scaled_alike(number):
    plan, loaded = planned(number, 96, (64, 128), mosaic=0.0, degrees=3.0)
    apart = np.abs(drawn_by(pixels.render, plan, loaded).astype(int) - drawn_by(pixels.render_portably, plan, loaded))
    assert apart.mean() <= 1.0


@settings(max_examples=60)
@given(st.integers(0, 2**20), st.sampled_from(list(STRENGTHS)))
def test_wide_instructions_give_the_same_bits_as_plain_ones(number, strength):
    plan, loaded = planned(number, 96, (96, 96), **STRENGTHS[strength])
    paintings = [pixels.painting(scene, loaded.__getitem__) for scene in plan.scenes]
    wide, plain = np.zeros((3, 96, 96), np.uint8), np.ones((3, 96, 96), np.uint8)
    draw(paintings, look_of(plan), wide)
    draw(paintings, look_of(plan, plain=True), plain)
    assert np.array_equal(wide, plain)


def test_pixels_do_not_depend_on_threads():
    plans = [planned(number, 160, (160, 160), **STRENGTHS["turned"]) for number in range(24)]
    alone = [drawn_by(pixels.render, *one) for one in plans]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: drawn_by(pixels.render, *one), plans))
    assert all(np.array_equal(a, b) for a, b in zip(alone, together, strict=True))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**20))
def test_pictures_of_a_few_pixels_are_drawn_to_their_edges(width, height, number):
    picture = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
    out = np.zeros((3, 12, 14), np.uint8)
    window = 2, 1, min(2 + width, 14), min(1 + height, 12)
    draw([Painting([(picture, (2, 1), window)], np.eye(3))], Look(114), out)
    expected = np.full((12, 14, 3), 114, np.uint8)
    expected[1 : 1 + height, 2 : 2 + width] = picture
    assert np.array_equal(out, expected[..., ::-1].transpose(2, 0, 1))


def test_a_picture_that_is_a_view_with_its_own_strides_is_read_as_such():
    whole = smooth_picture(1, (64, 48))
    for view in (whole[5:40, 3:50], whole[:, ::-1], whole[::2, ::3]):
        height, width = view.shape[:2]
        out = np.zeros((3, height, width), np.uint8)
        draw([Painting([(view, (0, 0), (0, 0, width, height))], np.eye(3))], Look(114), out)
        assert np.array_equal(out, view[..., ::-1].transpose(2, 0, 1))


# -- suppression


def prediction_of(number: int, rows: int, num_classes: int) -> torch.Tensor:
    """Dense rows with clusters, ties, and some values that are no numbers. (P, 5 + C)"""
    draw_from = np.random.default_rng(number)
    centres = draw_from.uniform(20, 300, (rows // 5 + 1, 2))[
        draw_from.integers(0, rows // 5 + 1, rows)
    ] + draw_from.normal(0, 4, (rows, 2))
    sizes, scores = draw_from.uniform(0, 60, (rows, 2)), draw_from.random((rows, 1 + num_classes)) ** 3
    scores[draw_from.random(scores.shape) < 0.2] = 0.5  # equal scores
    found = np.concatenate((centres, sizes, scores), 1).astype(np.float32)
    found[draw_from.random(found.shape) < 0.002] = np.nan
    return torch.from_numpy(found)


RULES = st.builds(
    nms.NmsRules,
    min_score=st.sampled_from([0.001, 0.25]),
    max_iou=st.sampled_from([0.1, 0.45, 0.6]),
    max_det=st.sampled_from([1, 20, 300]),
    multi_label=st.booleans(),
    classes=st.sampled_from([None, (0,), (1, 2), (7,)]),
    agnostic=st.booleans(),
    parity=st.booleans(),
    max_candidates=st.sampled_from([50, 30_000]),
)


@settings(max_examples=150)
@given(st.integers(0, 2**20), st.integers(0, 400), st.integers(1, 6), RULES, st.booleans())
def test_the_kernel_suppresses_exactly_what_the_matrices_suppress(number, rows, num_classes, rules, with_priors):
    prediction = prediction_of(number, rows, num_classes)
    priors = torch.tensor([[0.0, 40.0, 40.0, 20.0, 20.0]]) if with_priors else None
    mine, capped = nms.detections(prediction, rules, priors)
    with binary.portable():
        theirs, capped_there = nms.detections(prediction, rules, priors)
    assert capped == capped_there
    assert mine.shape == theirs.shape
    assert np.array_equal(mine.numpy(), theirs.numpy(), equal_nan=True)


# -- metrics


@given(st.integers(0, 2**20), st.sampled_from([np.float32, np.float64]))
def test_the_kernel_matches_what_the_sorted_pairs_match(number, kind):
    found, labels, found_images, label_images = (part.astype(kind) for part in metric_scene(number))
    keys = matching.keys(found_images, found[:, 5], 3), matching.keys(label_images, labels[:, 0], 3)
    compiled = matching.hits(found[:, :4], keys[0], labels[:, 1:], keys[1])
    with binary.portable():
        portable = matching.hits(found[:, :4], keys[0], labels[:, 1:], keys[1])
    assert np.array_equal(compiled, portable)


@given(st.integers(0, 2**20), st.integers(1, 400), st.integers(1, 40), st.floats(0, 1))
def test_areas_under_curves_agree_to_rounding(number, count, num_labels, share):
    hits = np.random.default_rng(number).random((count, 3)) < share
    hits &= hits.cumsum(axis=0) <= num_labels
    compiled = curves.areas(hits, num_labels)
    with binary.portable():
        portable = curves.areas(hits, num_labels)
    assert np.abs(compiled - portable).max() < 1e-12


# -- labels

NUMBERS = st.one_of(
    st.floats(0, 1).map(lambda value: f"{value:.6f}"),
    st.sampled_from(
        [
            "0.5",
            "0.25",
            "1",
            "0",
            "-0.0",
            "1.0000005",
            "1.01",
            "-0.2",
            ".5",
            "5e-1",
            "+0.5",
            "0,5",
            "nan",
            "inf",
            "1_0",
            "0x1",
            "1e999",
            "٣",
        ]
    ),
)
LINES = st.one_of(
    st.tuples(st.integers(0, 90).map(str), *[st.floats(0.3, 0.5).map(lambda value: f"{value:.6f}")] * 4).map(" ".join),
    st.lists(NUMBERS, min_size=1, max_size=9).map(" ".join),
    st.sampled_from(
        [
            "",
            " ",
            "0 0.5 0.5 0.2 0.2",
            "0 0.5 0.5 0.2 0.2",
            "2\t0.5  0.5 0.25 0.25 ",
            "0 0.1 0.1 0.9 0.1 0.9 0.9",
            "2147483648 0.5 0.5 0.2 0.2",
            "\ufeff",
        ]
    ),
)


@settings(max_examples=300)
@given(st.lists(LINES, max_size=5), st.sampled_from(["\n", "\r\n", "\r", "\v"]), st.booleans())
def test_the_kernel_reads_label_files_as_the_careful_reader_does(lines, end, ended):
    content = (end.join(lines) + (end if ended else "")).encode()
    compiled = parse_labels(content, "a.txt")
    with binary.portable():
        portable = parse_labels(content, "a.txt")
    assert compiled.findings == portable.findings
    assert np.array_equal(compiled.classes, portable.classes)
    assert np.array_equal(compiled.boxes, portable.boxes)
    assert compiled.boxes.dtype == portable.boxes.dtype
    assert [outline.tolist() for outline in compiled.polygons] == [outline.tolist() for outline in portable.polygons]


def test_numbers_of_any_length_are_read_to_the_last_bit():
    draw_from = np.random.default_rng(0)
    rows = draw_from.uniform(0.3, 0.6, (200, 4)) * (1, 1, 0.5, 0.5)
    text = "".join(f"3 {' '.join(repr(value) for value in row)}\n" for row in rows.tolist()).encode()
    compiled = parse_labels(text, "a.txt")
    with binary.portable():
        portable = parse_labels(text, "a.txt")
    assert len(compiled) == 200
    assert np.array_equal(compiled.boxes, portable.boxes)


# -- the switch


def test_what_is_active_is_said_in_words():
    assert binary.described() == "compiled kernels"
    with binary.portable():
        assert "switched off" in binary.described()
        assert binary.kernels() is None
    assert binary.kernels() is not None
