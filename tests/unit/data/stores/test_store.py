# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from PIL import Image

from boxwright.data.index.index import Index
from boxwright.data.stores.image_store import ImageStore

SIDE = 32


def index_of(folder, count: int) -> Index:
    paths = []
    for number in range(count):
        paths.append(str(folder / f"{number}.png"))
        Image.fromarray(np.full((SIDE, SIDE, 3), number, np.uint8)).save(paths[-1])
    nothing = np.zeros(0, np.int32), np.zeros((0, 4), np.float32), np.zeros(1, np.int64), np.zeros((0, 2), np.float32)
    return Index(tuple(paths), np.full((count, 2), SIDE, np.int32), np.zeros(count + 1, np.int64), *nothing)


def test_as_many_images_are_kept_as_fit_and_the_others_are_read_again(tmp_path):
    index = index_of(tmp_path, 4)
    store = ImageStore(index, SIDE, keep="no", smooth=False, spare_bytes=2 * SIDE * SIDE * 3)
    first = [store(number) for number in range(4)]
    again = [store(number) for number in range(4)]
    assert [a is b for a, b in zip(first, again, strict=True)] == [True, True, False, False]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_nothing_is_kept_unless_there_is_room_and_everything_when_asked(tmp_path):
    index = index_of(tmp_path, 2)
    plain, keeping = (
        ImageStore(index, SIDE, keep="no", smooth=False),
        ImageStore(index, SIDE, keep="memory", smooth=False),
    )
    assert plain(0) is not plain(0)
    assert keeping(0) is keeping(0)
    assert keeping(1)[0, 0].tolist() == [1, 1, 1]
