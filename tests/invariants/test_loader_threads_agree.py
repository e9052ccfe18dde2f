# SPDX-License-Identifier: Apache-2.0
"""The stream of samples is a function of the address.

Threads, buffers, caches and starting points do not change a bit of it.
"""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.planner import Planner
from boxwright.data.sampling.batches import RectangularBatches, ShuffledBatches
from boxwright.data.sampling.loader import AHEAD, Loader
from boxwright.data.sampling.samples import Address, PlainSamples, TrainingSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import DataError
from boxwright.structures.truth import Truth
from tests.support import datasets

SIZE, BATCH = 64, 4
THREADS = [0, 1, 4]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    yaml = datasets.write(tmp_path_factory.mktemp("set") / "set", train=13, val=3)
    return open_split(read_dataset(yaml), "train")


def training(index, *, keep: bool = False, closed_from: int | None = None, report=None, **augment) -> TrainingSamples:
    settings = AugmentSettings(**{"degrees": 10.0, "mixup": 0.5, "flipud": 0.5} | augment)
    return TrainingSamples(
        Planner(settings, index.sizes_wh, SIZE),
        index,
        ImageStore(index, SIZE, keep="memory" if keep else "no", smooth=False),
        seed=3,
        closed_from=closed_from,
        report=report,
    )


def plain(index) -> PlainSamples:
    return PlainSamples(index, ImageStore(index, SIZE, smooth=True))


def streamed(samples, batches, threads: int) -> list[tuple]:
    """Every batch as bytes, so that nothing of it can be overwritten or nearly equal."""
    loader = Loader(samples, threads=threads)
    return [
        (batch.images.shape, batch.images.numpy().tobytes(), batch.targets.numpy().tobytes(), batch.image_numbers)
        for batch in loader(batches)
    ]


def square(index) -> ShuffledBatches:
    return ShuffledBatches(len(index), BATCH, SIZE, seed=3)


@pytest.mark.parametrize("threads", THREADS[1:])
def test_the_stream_is_the_same_with_and_without_threads(index, threads):
    for epoch in (0, 1):
        assert streamed(training(index), square(index).batches(epoch), threads) == streamed(
            training(index), square(index).batches(epoch), 0
        )
    rectangles = RectangularBatches(index.sizes_wh, BATCH, SIZE, 32, 0.5)
    assert streamed(plain(index), rectangles.batches(), threads) == streamed(plain(index), rectangles.batches(), 0)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("start", [1, 3, 4])
def test_from_any_batch_on_comes_the_tail_of_the_epoch(index, threads, start):
    whole = streamed(training(index), square(index).batches(2), 0)
    assert len(whole) == 4
    assert streamed(training(index), square(index).batches(2, start), threads) == whole[start:]


def test_one_loader_serves_one_epoch_after_the_other_as_fresh_ones_would(index):
    loader = Loader(training(index), threads=2)
    for epoch in range(3):
        expected = streamed(training(index), square(index).batches(epoch), 0)
        assert [batch.images.numpy().tobytes() for batch in loader(square(index).batches(epoch))] == [
            images for _, images, *_ in expected
        ]


def test_pictures_kept_in_memory_are_the_same_pictures(index):
    assert streamed(training(index, keep="memory"), square(index).batches(0) * 2, 2) == streamed(
        training(index), square(index).batches(0) * 2, 0
    )


def test_epochs_and_places_differ_from_each_other(index):
    epochs = [streamed(training(index), square(index).batches(epoch), 0) for epoch in range(3)]
    images = [images for epoch in epochs for _, images, *_ in epoch]
    assert len(set(images)) == len(images)


def test_mosaic_is_closed_from_its_epoch_on_and_not_before(index):
    samples = training(index, closed_from=2)
    tiles = [len(samples.plan(Address(epoch, 0, 0, (SIZE, SIZE))).scenes[0].tiles) for epoch in range(4)]
    assert tiles == [4, 4, 1, 1]


def test_targets_name_the_place_of_their_image_in_the_batch(index):
    for batch in Loader(plain(index), threads=2)(RectangularBatches(index.sizes_wh, BATCH, SIZE, 32, 0.5).batches()):
        for place, number in enumerate(batch.image_numbers):
            mine = batch.targets[batch.targets[:, 0] == place]
            assert mine[:, 1].tolist() == index[number].classes.tolist()


def test_buffers_are_used_again_and_a_copy_stays(index):
    loader = Loader(training(index), threads=2)
    seen, kept = set(), []
    for batch in loader(square(index).batches(0) * 5):
        seen.add(batch.images.data_ptr())
        kept.append((batch.copied(), batch.images.numpy().tobytes()))
    assert len(kept) == 20
    assert len(seen) <= AHEAD + 1
    assert all(copy.images.numpy().tobytes() == content for copy, content in kept)


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("loader-")]


def test_no_thread_outlives_its_epoch_whether_it_ends_or_is_left(index):
    loader = Loader(training(index), threads=3)
    list(loader(square(index).batches(0)))
    assert not alive()
    stream = loader(square(index).batches(0))
    next(stream)
    assert len(alive()) == 3
    stream.close()
    assert not alive()
    expected = streamed(training(index), square(index).batches(1), 0)
    assert [batch.images.numpy().tobytes() for batch in loader(square(index).batches(1))] == [
        images for _, images, *_ in expected
    ]


@pytest.mark.parametrize("threads", THREADS)
def test_what_goes_wrong_in_a_sample_reaches_the_loop_at_its_batch(index, threads):
    def breaking(address: Address, out: np.ndarray) -> Truth:
        out[:] = 0
        if address.position == 5:
            raise DataError("there", "broke", "Mend it")
        return Truth(np.zeros((0, 5), np.float32))

    stream = Loader(breaking, threads=threads)(square(index).batches(0))
    assert next(stream).targets.shape == (0, 6)
    with pytest.raises(DataError, match="broke"):
        next(stream)
    assert not alive()


# -- files that break while a run goes on


@pytest.fixture
def breaking_set(tmp_path):
    """A data set of its own whose pictures can be broken by number."""
    opened = open_split(read_dataset(datasets.write(tmp_path / "set", train=13, val=3)), "train")

    def break_pictures(*numbers: int):
        for number in numbers:
            Path(opened.paths[number]).write_bytes(b"broken")
        return opened

    return break_pictures


@pytest.mark.parametrize("broken", [(4,), (0, 1, 2, 3, 4, 5), tuple(range(8))])
def test_broken_pictures_are_replaced_by_the_same_ones_for_any_number_of_threads(breaking_set, broken):
    index = breaking_set(*broken)
    streams = [
        [streamed(training(index), square(index).batches(epoch), threads) for epoch in (0, 1)] for threads in THREADS
    ]
    assert streams[0] == streams[1] == streams[2]


def test_which_picture_takes_the_place_does_not_depend_on_what_broke_before(breaking_set):
    index = breaking_set(2, 7)
    found = []
    for order in ((2, 7), (7, 2)):
        samples = training(index, aug="none")
        for number in order:
            samples(Address(0, 0, number, (SIZE, SIZE)), np.zeros((3, SIZE, SIZE), np.uint8))
        found.append(samples.replaced)
    assert found[0] == found[1]
    assert set(found[0]) == {2, 7}
    assert not set(found[0].values()) & {2, 7}


def test_each_broken_picture_is_named_once_and_labels_are_those_of_what_is_shown(breaking_set):
    index = breaking_set(1)
    told: list[str] = []
    samples = training(index, aug="none", report=told.append)
    out = np.zeros((3, SIZE, SIZE), np.uint8)
    for _ in range(3):
        rows = samples(Address(0, 0, 1, (SIZE, SIZE)), out).objects
    assert len(told) == 1
    assert told[0].startswith(f"{index.paths[1]}: can no longer be read (")
    other = np.zeros_like(out)
    expected = samples(Address(0, 0, samples.replaced[1], (SIZE, SIZE)), other).objects
    assert np.array_equal(out, other)
    assert np.array_equal(rows, expected)


def test_a_stand_in_that_breaks_too_gives_way_in_its_turn(breaking_set):
    index = breaking_set(1)
    samples = training(index, aug="none")
    out = np.zeros((3, SIZE, SIZE), np.uint8)
    samples(Address(0, 0, 1, (SIZE, SIZE)), out)
    first = samples.replaced[1]
    breaking_set(first)
    samples(Address(0, 0, 1, (SIZE, SIZE)), out)
    assert samples.replaced[1] not in {1, first}
    fresh = training(index, aug="none")  # a process that has never seen the first one whole
    fresh(Address(0, 0, 1, (SIZE, SIZE)), np.zeros_like(out))
    assert fresh.replaced[1] == samples.replaced[1]


def test_a_sample_with_broken_pictures_does_not_depend_on_samples_drawn_before(breaking_set):
    index = breaking_set(0, 3, 5)
    addresses = [Address(epoch, position, position, (SIZE, SIZE)) for epoch in range(2) for position in range(13)]
    knowing = training(index)
    for address in reversed(addresses):
        knowing(address, np.zeros((3, SIZE, SIZE), np.uint8))
    breaking_set(*knowing.replaced.values())  # what stood in for them breaks later
    for address in addresses:
        outs = np.zeros((2, 3, SIZE, SIZE), np.uint8)
        rows = [samples(address, out).objects for samples, out in zip((knowing, training(index)), outs, strict=True)]
        assert np.array_equal(*outs)
        assert np.array_equal(*rows)


def test_a_data_set_that_has_gone_away_ends_the_run_with_one_line(breaking_set):
    index = breaking_set(*range(13))
    with pytest.raises(
        DataError, match=r"can no longer be read, nor can 20 others\. Check that the data set is still there"
    ):
        list(Loader(training(index), threads=2)(square(index).batches(0)))
    assert not alive()


def test_in_validation_a_broken_picture_counts_as_an_empty_one(breaking_set):
    index = breaking_set(3)
    samples = plain(index)
    out = torch.zeros(3, SIZE, SIZE, dtype=torch.uint8).numpy()
    rows = samples(Address(0, 0, 3, (SIZE, SIZE)), out).objects
    assert (out == 114).all()
    assert len(rows) == len(index[3].classes)
    assert list(samples.broken) == [3]
