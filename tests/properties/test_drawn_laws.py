# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.data.drawn.catalogue import SHAPES
from boxwright.data.drawn.chance import smooth
from boxwright.data.drawn.colour import BLACK, WHITE, hsv, lay_over, mix
from boxwright.data.drawn.light import Light
from boxwright.data.drawn.sample_set import draw
from boxwright.data.drawn.sprite import make_sprite
from boxwright.keyed import Purpose, generator

SHARE = st.floats(0, 1)
ADDRESS = st.integers(0, 10**6)


@settings(max_examples=80)
@given(st.sampled_from(SHAPES), st.floats(10, 200), ADDRESS)
def test_a_sprite_has_the_size_asked_for_and_a_free_margin(shape, size, address):
    sprite = make_sprite(generator(0, Purpose.DRAWING, address), shape, size, Light.from_angle(1.0))
    _, _, width, height = cv2.boundingRect(sprite.solid.astype(np.uint8))
    assert abs(max(width, height) - size) <= 2.5
    rim = np.concatenate([sprite.coverage[0], sprite.coverage[-1], sprite.coverage[:, 0], sprite.coverage[:, -1]])
    assert rim.max() < 0.05
    assert sprite.rgb.min() >= 0
    assert sprite.rgb.max() <= 255
    assert (sprite.rgb[sprite.coverage == 0] == 0).all()


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.sampled_from(["train", "val"]), ADDRESS, st.sampled_from([32, 64, 97, 160]))
def test_every_address_and_size_has_a_picture_with_sound_labels(seed, split, index, size):
    drawn = draw(seed, split, index, size)
    assert drawn.image_rgb.shape == (size, size, 3)
    assert np.isfinite(drawn.rows).all()
    assert (drawn.rows[:, 3:] > 0).all()
    assert (drawn.rows[:, 1:3] - drawn.rows[:, 3:] / 2 >= -1e-12).all()
    assert (drawn.rows[:, 1:3] + drawn.rows[:, 3:] / 2 <= 1 + 1e-12).all()


@given(st.floats(-3, 3), SHARE, SHARE)
def test_value_is_the_brightest_channel_and_saturation_what_the_darkest_lacks(hue, saturation, value):
    rgb = hsv(hue, saturation, value)
    assert np.isclose(rgb.max(), 255 * value)
    assert np.isclose(rgb.min(), 255 * value * (1 - saturation))
    assert np.allclose(rgb, hsv(hue + 1, saturation, value), atol=1e-6)


def test_the_hues_stand_in_the_order_of_the_rainbow():
    assert hsv(0, 1, 1).tolist() == [255, 0, 0]
    assert np.allclose(hsv(1 / 3, 1, 1), [0, 255, 0])
    assert np.allclose(hsv(2 / 3, 1, 1), [0, 0, 255])


@given(SHARE, SHARE)
def test_paint_covers_as_its_mask_and_strength_say(share, strength):
    picture = np.full((9, 9, 3), 100, np.float32)
    mask = np.zeros((9, 9), np.uint8)
    mask[2:5, 3:6] = round(255 * share)
    lay_over(picture, mask, WHITE, strength)
    assert np.allclose(picture[3, 4], 100 + 155 * round(255 * share) / 255 * strength, atol=1e-3)
    assert (picture[mask == 0] == 100).all()


@given(SHARE)
def test_a_mixture_lies_between_its_colours(share):
    assert np.allclose(mix(np.full((2, 2), share, np.float32), BLACK, WHITE), 255 * share, atol=1e-3)


@given(ADDRESS, st.integers(8, 80), st.floats(1, 40), st.integers(1, 5))
def test_noise_is_bounded_and_about_even(address, side, cells, octaves):
    field = smooth(generator(0, Purpose.DRAWING, address), side, cells, octaves)
    assert field.shape == (side, side)
    assert field.dtype == np.float32
    assert np.abs(field).max() < 1.6 * sum(0.55**octave for octave in range(octaves))
