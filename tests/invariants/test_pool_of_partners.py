# SPDX-License-Identifier: Apache-2.0
"""A pool spares decoding and nothing else.

Partners follow from the address, every image is seen as often, files are read once.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxwright.config.assemble import resolve_train
from boxwright.config.schema.augment import AugmentSettings
from boxwright.data.augment.partner_pool import Pool, Recent
from boxwright.data.augment.planner import Planner
from boxwright.data.sampling.batches import ShuffledBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import TrainingSamples
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.stores import image_store as store_room
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import SettingError
from boxwright.keyed import Purpose, generator
from tests.support import datasets

SIZE, BATCH, IMAGES, POOL = 64, 4, 48, 12


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return open_split(
        read_dataset(datasets.write(tmp_path_factory.mktemp("set") / "set", train=IMAGES, val=2)), "train"
    )


def batches_of(index) -> ShuffledBatches:
    return ShuffledBatches(len(index), BATCH, SIZE, seed=5)


def samples_of(index, *, size: int = 0) -> TrainingSamples:
    store = ImageStore(index, SIZE, smooth=False, pool=size + 2 * BATCH if size else 0)
    samples = TrainingSamples(Planner(AugmentSettings(mixup=0.3), index.sizes_wh, SIZE), index, store, seed=5)
    samples.pool = Pool(batches_of(index).order, size) if size else None
    return samples


def streamed(samples, batches, threads: int) -> list[tuple[bytes, bytes]]:
    return [
        (batch.images.numpy().tobytes(), batch.targets.numpy().tobytes())
        for batch in Loader(samples, threads=threads)(batches)
    ]


@given(images=st.integers(2, 60), share=st.floats(0, 1), epoch=st.integers(0, 5), place=st.floats(0, 0.999))
def test_partners_are_images_of_the_last_positions(images, share, epoch, place):
    size, position, order = (
        max(1, int(share * images)),
        int(place * images),
        ShuffledBatches(images, 1, SIZE, seed=0).order,
    )
    both = np.concatenate((order(max(epoch - 1, 0)), order(epoch)))
    window = both[images + position - size + 1 : images + position + 1]
    found = Pool(order, size).partners(epoch, position, generator(0, Purpose.SAMPLE, epoch, position), 50)
    assert set(found.tolist()) <= set(window.tolist())


def test_every_place_of_the_pool_is_as_likely_and_every_image_is_met_as_often():
    order = ShuffledBatches(IMAGES, BATCH, SIZE, seed=1).order
    pool, seen = Pool(order, POOL), Counter()
    epochs, each = 40, 3
    for epoch in range(1, epochs + 1):
        for position in range(IMAGES):
            seen.update(pool.partners(epoch, position, generator(9, Purpose.SAMPLE, epoch, position), each).tolist())
    expected = epochs * each
    assert set(seen) == set(range(IMAGES))
    assert max(abs(count - expected) for count in seen.values()) < 5 * np.sqrt(
        expected
    )  # five deviations of a fair draw


@pytest.mark.parametrize("threads", [0, 1, 4])
@pytest.mark.parametrize("start", [0, 1, 7])
def test_the_stream_depends_on_the_address_alone(index, threads, start):
    whole = [streamed(samples_of(index, size=POOL), batches_of(index).batches(epoch), 0) for epoch in (0, 1)]
    samples = samples_of(index, size=POOL)  # one that begins in the middle, its pool empty
    assert streamed(samples, batches_of(index).batches(0, start), threads) == whole[0][start:]
    assert streamed(samples, batches_of(index).batches(1), threads) == whole[1]


def test_mosaics_differ_from_those_of_all_images_only_in_their_partners(index):
    pooled, free = samples_of(index, size=POOL), samples_of(index)
    for address in batches_of(index).batches(1)[5]:
        ours, theirs = pooled.plan(address), free.plan(address)
        assert ours.gains_hsv == theirs.gains_hsv
        assert address.image in {tile.image for tile in ours.scenes[0].tiles}


@pytest.mark.parametrize("size", [0, POOL])
def test_with_a_pool_every_file_is_decoded_about_once_an_epoch(index, size, monkeypatch):
    decoded = Counter()
    read = store_room.read_bgr
    monkeypatch.setattr(store_room, "read_bgr", lambda path: decoded.update([path]) or read(path))
    samples = samples_of(index, size=size)
    streamed(samples, batches_of(index).batches(1), 0)
    if size:
        # The pool of the first batches is decoded too, and of an image that comes in both epochs a few twice.
        assert IMAGES <= decoded.total() <= IMAGES + 2 * POOL
    else:
        assert decoded.total() > 2.5 * IMAGES


def test_the_newest_stay():
    recent = Recent(2)
    for number in range(4):
        recent[number] = np.zeros(1)
    assert list(recent) == [2, 3]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"rect": True}, "there are none"),
        ({"mosaic": 0.0, "mixup": 0.0}, "there are none"),
        ({"aug": "none"}, "there are none"),
        ({"image_weights": True}, "which image weights draw anew"),
        ({"cache": "ram"}, "a pool spares nothing"),
    ],
)
def test_a_pool_that_cannot_act_is_an_error(settings, match):
    with pytest.raises(SettingError, match=match):
        resolve_train({"decode_pool": 1000, **settings})
