# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from boxwright.drawing import captions
from boxwright.drawing.boxes import draw_boxes, text_size
from boxwright.drawing.palette import BLACK, COLOURS, WHITE, colour, luminance, readable_on
from boxwright.drawing.placement import places
from boxwright.drawing.sheet import fitted, grid, side_by_side

GREY = 128
NO_BOXES = np.zeros((0, 4))
STRANGE = (
    "",
    " ",
    "\n\t\x1b[31m",
    "日本語",
    "\ud800",
    "e\u0301",
    "🚀🏿\u200d",
    "ΑβγДжя",
    "\x00" * 9,
    "a" * 5000,
    "עברית",
    "\u202eabc",
    "\U0010ffff",
)


def plain_image(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def lab(colours) -> np.ndarray:
    return cv2.cvtColor(np.array(colours, np.float32)[None] / 255, cv2.COLOR_RGB2LAB)[0]


def least_distance(points: np.ndarray) -> float:
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return float(distances[~np.eye(len(points), dtype=bool)].min())


def seen_red_green_blind(colours) -> np.ndarray:
    """Machado and others (2009): what is seen without the medium cones, in linear light."""
    matrix = np.array(
        ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
    )
    share = np.array(colours) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    seen = (linear @ matrix.T).clip(0, 1)
    return 255 * np.where(seen <= 0.0031308, seen * 12.92, 1.055 * seen ** (1 / 2.4) - 0.055)


# Colours


def test_colours_of_the_first_classes_are_far_apart_and_all_hundred_differ():
    assert len(set(COLOURS)) == len(COLOURS) == 100
    assert least_distance(lab(COLOURS[:20])) > 15  # of Lab, where 2.3 is just seen
    assert least_distance(lab(COLOURS)) > 10


def test_the_first_six_colours_are_told_apart_by_red_green_blind_eyes():
    assert least_distance(lab(seen_red_green_blind(COLOURS[:6]))) > 12


def test_a_class_has_one_colour_and_after_a_hundred_they_come_again():
    assert colour(3) == colour(103) == colour(np.int64(3))
    assert all(isinstance(part, int) and 0 <= part <= 255 for index in range(200) for part in colour(index))


def test_text_on_every_colour_has_the_contrast_that_is_asked_of_large_text():
    for background in COLOURS:
        light, dark = sorted((luminance(background), luminance(readable_on(background))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
    assert readable_on(WHITE) == BLACK
    assert readable_on(BLACK) == WHITE


# Text


@pytest.mark.parametrize("text", STRANGE, ids=ascii)
def test_any_text_is_drawn_and_no_letter_is_an_empty_box(text):
    clear = captions.legible(text)
    assert clear.isprintable()
    assert all(ord(letter) in captions._characters() for letter in clear)
    image = plain_image(40, 200)
    captions.write(image, captions.shortened(text, 14, 200), (0, 0), 14, BLACK)
    assert draw_boxes(image, np.array([[5, 20, 50, 35]]), [text], [colour(0)]).shape == image.shape


def test_names_of_one_script_that_the_font_lacks_stay_distinct():
    assert captions.legible("犬") != captions.legible("猫")


@pytest.mark.parametrize("text", ["Häuser", "Ёлки", "Ψάρι", "Żółw"])
def test_latin_cyrillic_and_greek_stay_as_they_are(text):
    assert captions.legible(text) == text


@pytest.mark.parametrize("width", [0, 3, 10, 40, 90, 400])
@pytest.mark.parametrize("cut", [captions.shortened, captions.shortened_start])
def test_a_shortened_text_fits(cut, width):
    assert captions.text_width(cut("a rather long name 0.87", 13, width), 13) <= max(width, 0)


def test_a_shortened_caption_keeps_its_score_and_a_shortened_path_its_end():
    width = captions.text_width("a rather long name 0.87", 13) - 20
    assert captions.shortened("a rather long name 0.87", 13, width).endswith("… 0.87")
    assert captions.shortened_start("folder/of/many/images/000123.jpg", 13, 120).endswith("000123.jpg")


def test_text_that_leaves_the_image_is_cut_and_not_wrapped():
    image = plain_image(20, 20)
    for corner in ((-30, -5), (15, 15), (0, -40), (500, 0)):
        captions.write(image, "word", corner, 12, BLACK)
    assert image.shape == (20, 20, 3)


# Boxes


@pytest.mark.parametrize("size", [(64, 48), (333, 640), (4000, 3000)])
@pytest.mark.parametrize("style", ["solid", "dashed"])
def test_boxes_are_drawn_on_a_copy_at_any_size(size, style):
    image = plain_image(*size)
    box = np.array([[0.25, 0.3, 0.6, 0.7]]) * np.tile(size[::-1], 2)
    drawn = draw_boxes(image, box, ["thing 0.91"], [colour(1)], style=style)
    assert drawn.dtype == np.uint8
    assert drawn.shape == image.shape
    assert (drawn == colour(1)).all(axis=2).any()
    assert (image == GREY).all()


def test_without_boxes_the_image_comes_back_as_a_copy():
    image = plain_image(30, 40)
    drawn = draw_boxes(image, NO_BOXES, [], [])
    assert np.array_equal(drawn, image)
    assert not np.shares_memory(drawn, image)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 400), (0, 5)])
def test_tiny_images_bear_boxes_without_captions(size):
    image = plain_image(*size)
    assert (
        draw_boxes(image, np.array([[0, 0, size[1], size[0]]]), ["a name that cannot fit"], [colour(0)]).shape
        == image.shape
    )


def test_boxes_that_cannot_be_drawn_are_left_out_and_reach_is_no_matter():
    image = plain_image(60, 80)
    lost = np.array([[np.nan, 1, 2, 3], [-50, -50, -20, -20], [500, 1, 600, 9], [1, 1, np.inf, 9]])
    assert np.array_equal(draw_boxes(image, lost, ["x"] * 4, [colour(0)] * 4), image)
    wide = draw_boxes(image, np.array([[-1e9, 10, 1e9, 40]]), [""], [colour(0)])
    turned = draw_boxes(image, np.array([[1e9, 40, -1e9, 10]]), [""], [colour(0)])
    assert np.array_equal(wide, turned)
    assert not np.array_equal(wide, image)


def test_what_is_inside_a_box_stays_visible_even_of_the_smallest():
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    boxes = np.array([[20, 20, 23, 23], [60, 60, 160, 150]])
    drawn = draw_boxes(noise, boxes, ["", ""], [colour(0), colour(1)])
    for x1, y1, x2, y2 in boxes:
        assert np.array_equal(drawn[y1:y2, x1:x2], noise[y1:y2, x1:x2])


def test_a_caption_does_not_hide_a_small_box_in_its_way():
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8)
    small = [62, 86, 74, 96]  # where the caption of the large one would usually be
    drawn = draw_boxes(noise, np.array([[60, 100, 200, 200], small]), ["large thing", ""], [colour(0), colour(1)])
    assert np.array_equal(
        drawn[small[1] : small[3], small[0] : small[2]], noise[small[1] : small[3], small[0] : small[2]]
    )
    assert not np.array_equal(
        drawn, draw_boxes(noise, np.array([[60, 100, 200, 200], small]), ["", ""], [colour(0), colour(1)])
    )


@pytest.mark.parametrize(
    "box",
    [[0, 0, 30, 30], [610, 0, 640, 20], [0, 450, 30, 480], [600, 440, 640, 480], [0, 0, 640, 480], [-9, 200, 9, 220]],
)
def test_a_caption_lies_wholly_inside_the_image(box):
    image, boxes = plain_image(480, 640), np.array([box])
    with_text, without = (draw_boxes(image, boxes, [text], [colour(0)]) for text in ("Wort 0.87", ""))
    rows, columns = np.nonzero((with_text != without).any(axis=2))
    width, height = captions.plate_size("Wort 0.87", text_size(image))
    assert columns.max() - columns.min() + 1 >= width - 4  # the plate may share a side with the line of its box
    assert rows.max() - rows.min() + 1 >= height - 4


def test_places_are_inside_the_image_and_apart_from_each_other():
    rng = np.random.default_rng(5)
    corners = rng.integers(0, 400, (60, 2))
    boxes = np.concatenate((corners, corners + rng.integers(2, 90, (60, 2))), axis=1)
    sizes = np.stack((rng.integers(20, 80, 60), np.full(60, 14)), axis=1)
    found = places(np.arange(60), sizes, boxes, (420, 440))
    plates = [(x, y, x + w, y + h) for place, (w, h) in zip(found, sizes, strict=True) if place for x, y in [place]]
    assert 10 < len(plates) < 60
    for i, (x1, y1, x2, y2) in enumerate(plates):
        assert 0 <= x1 < x2 <= 440
        assert 0 <= y1 < y2 <= 420
        shared = sum(max(min(x2, b[2]) - max(x1, b[0]), 0) * max(min(y2, b[3]) - max(y1, b[1]), 0) for b in plates[:i])
        assert shared <= 0.03 * (x2 - x1) * (y2 - y1)


def test_dashed_lines_are_broken_and_solid_ones_are_not():
    image, box = plain_image(200, 200), np.array([[40, 40, 160, 160]])
    solid, dashed = (draw_boxes(image, box, [""], [colour(0)], 2, style=style) for style in ("solid", "dashed"))
    edge = [(drawn[39, 38:162] == colour(0)).all(axis=1).mean() for drawn in (solid, dashed)]
    assert edge[0] == 1
    assert 0.5 < edge[1] < 0.85


def test_drawing_is_the_same_on_every_thread():
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    corners = np.random.default_rng(2).uniform(0, 250, (25, 2))
    boxes = np.concatenate((corners, corners + 40), axis=1)

    def draw(_):
        return draw_boxes(noise, boxes, [f"Класс {i} 0.{i:02d}" for i in range(25)], [colour(i) for i in range(25)])

    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(draw, range(8)))
    assert all(np.array_equal(drawn[0], other) for other in drawn[1:])


# Sheets


def test_a_sheet_has_its_images_in_equal_cells_with_white_between():
    images = [np.full((30, 60, 3), shade, np.uint8) for shade in (10, 20, 30, 40, 50)]
    sheet = grid(images, columns=2, cell_px=60, gap=4)
    assert sheet.shape == (3 * 30 + 4 * 4, 2 * 60 + 3 * 4, 3)
    assert (sheet[4:34, 4:64] == 10).all()
    assert (sheet[72:102, 4:64] == 50).all()
    assert (sheet[72:102, 68:128] == 255).all()
    assert (sheet[:4] == 255).all()


def test_images_of_different_shapes_share_a_sheet_and_stay_as_they_are():
    images = [plain_image(10, 200), plain_image(300, 5), plain_image(1, 1), plain_image(0, 7), plain_image(64, 64)]
    copies = [image.copy() for image in images]
    sheet = grid(images, ["a", "b" * 300, "\x1b[2J", "", "ж"], cell_px=50)
    assert sheet.dtype == np.uint8
    assert all(np.array_equal(image, copy) for image, copy in zip(images, copies, strict=True))


def test_a_sheet_without_images_says_so():
    assert grid([]).min() < 128
    assert np.array_equal(grid([]), side_by_side([], [], ("truth", "prediction")))


def test_pairs_stand_side_by_side_under_their_titles():
    left, right = [np.full((40, 40, 3), 10, np.uint8)] * 3, [np.full((40, 40, 3), 200, np.uint8)] * 3
    sheet = side_by_side(left, right, ("truth", "prediction"), ["a", "b", "c"], pairs_per_row=1, cell_px=40, gap=12)
    assert sheet.shape[1] == 12 + 40 + 4 + 40 + 12
    rows = np.flatnonzero((sheet[:, 20] == 10).all(axis=1))
    assert len(rows) >= 120
    assert (sheet[rows[0], 56:96] == 200).all()
    assert rows[0] > 12


@pytest.mark.parametrize(
    ("size", "expected"), [((10, 20), (40, 80)), ((300, 200), (80, 53)), ((1, 900), (1, 80)), ((80, 80), (80, 80))]
)
def test_an_image_is_fitted_by_its_longer_side(size, expected):
    image = plain_image(*size)
    result = fitted(image, 80)
    assert result.shape == (*expected, 3)
    assert not np.shares_memory(result, image)
