# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxwright.data.sampling.batches import RectangularBatches, ShuffledBatches, SquareBatches

SIZES = st.lists(st.tuples(st.integers(20, 400), st.integers(20, 400)), min_size=1, max_size=40).map(np.array)


def flat(batches) -> list:
    return list(itertools.chain(*batches))


def shuffled(num_images: int, batch_size: int, seed: int = 0, weights: np.ndarray | None = None) -> ShuffledBatches:
    return ShuffledBatches(num_images, batch_size, 64, seed, weights)


@given(st.integers(1, 200), st.integers(1, 33), st.integers(0, 5), st.integers(0, 9))
def test_an_epoch_holds_every_image_once_in_full_batches_but_the_last(num_images, batch_size, seed, epoch):
    order = shuffled(num_images, batch_size, seed)
    batches = order.batches(epoch)
    assert sorted(address.image for address in flat(batches)) == list(range(num_images))
    assert [address.position for address in flat(batches)] == list(range(num_images))
    assert {address.epoch for address in flat(batches)} == {epoch}
    assert {address.output_hw for address in flat(batches)} == {(64, 64)}
    assert len(batches) == len(order)
    assert all(len(batch) == batch_size for batch in batches[:-1])
    assert 1 <= len(batches[-1]) <= batch_size


@given(st.integers(1, 100), st.integers(1, 17), st.integers(0, 12))
def test_from_a_batch_on_there_is_the_tail_of_the_epoch(num_images, batch_size, start):
    order = shuffled(num_images, batch_size)
    assert order.batches(3, start) == order.batches(3)[start:]


@given(SIZES, st.integers(1, 9), st.integers(0, 6))
def test_rectangular_and_square_batches_have_the_same_laws(sizes, batch_size, start):
    for order in (RectangularBatches(sizes, batch_size, 64, 32, 0.5), SquareBatches(len(sizes), batch_size, 64)):
        batches = order.batches(2)
        assert sorted(address.image for address in flat(batches)) == list(range(len(sizes)))
        assert [address.position for address in flat(batches)] == list(range(len(sizes)))
        assert len(batches) == len(order)
        assert order.batches(2, start) == batches[start:]
        assert [[address._replace(epoch=2) for address in batch] for batch in order.batches(0)] == batches


@given(SIZES, st.integers(1, 9), st.sampled_from([0.0, 0.5]))
def test_a_rectangular_batch_has_one_shape_on_the_grid_that_holds_all_its_images(sizes, batch_size, pad):
    last = -np.inf
    for batch in RectangularBatches(sizes, batch_size, 64, 32, pad).batches():
        (shape,) = {address.output_hw for address in batch}
        assert shape[0] % 32 == shape[1] % 32 == 0
        assert min(shape) >= 32
        assert max(shape) <= 64 + 32
        for address in batch:
            width, height = sizes[address.image]
            gain = 64 / max(width, height)
            assert height * gain <= shape[0] + 1e-9
            assert width * gain <= shape[1] + 1e-9
            assert height / width >= last
            last = height / width


def test_epochs_and_seeds_shuffle_apart_and_the_same_ones_alike():
    orders = {
        (seed, epoch): tuple(shuffled(50, 8, seed).order(epoch).tolist()) for seed in range(4) for epoch in range(4)
    }
    assert len(set(orders.values())) == 16
    assert orders == {(seed, epoch): tuple(shuffled(50, 16, seed).order(epoch).tolist()) for seed, epoch in orders}


def test_every_image_comes_everywhere_in_the_long_run():
    orders = np.array([shuffled(10, 4).order(epoch) for epoch in range(2000)])
    counts = np.array([np.bincount(orders[:, place], minlength=10) for place in range(10)])
    assert np.abs(counts - 200).max() < 5 * 200**0.5


def test_by_weight_images_are_drawn_with_replacement_as_often_as_they_weigh():
    weights = np.array([0.0, 1.0, 3.0, 6.0])
    drawn = np.concatenate([shuffled(4, 2, weights=weights).order(epoch) for epoch in range(2000)])
    assert np.bincount(drawn, minlength=4) / len(drawn) == pytest.approx(weights / 10, abs=0.02)
    assert len(shuffled(4, 2, weights=weights).order(0)) == 4
