# SPDX-License-Identifier: Apache-2.0
"""Small files that many share: made by one of those who try, read whole, listed by folder."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from boxwright.system.buckets.address import Address, AwayError, BucketError
from boxwright.system.buckets.folder import FolderStore
from boxwright.system.buckets.small_files import MAX_BYTES, BucketStore


class LosingStore(FolderStore):
    """Does what it is told, and loses the answer to the first attempts."""

    lost = 0

    def write(self, name, content, *, new=False):
        done = super().write(name, content, new=new)
        if self.lost:
            self.lost -= 1
            raise AwayError("there", "does not answer")
        return done


@pytest.fixture
def store(tmp_path) -> BucketStore:
    address = Address("file", str(tmp_path), "study")
    return BucketStore(address, LosingStore(address))


def test_of_many_who_make_a_file_one_does(store):
    for number in range(20):
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda who, name=f"claims/{number}": store.create(name, b"%d" % who), range(8)))
        assert made.count(True) == 1
        assert store.read(f"claims/{number}") == b"%d" % made.index(True)


def test_files_are_replaced_read_and_listed_by_folder(store):
    assert store.read("trials/1") is None
    assert store.names("trials/") == []
    store.put("trials/1", b"a")
    store.put("trials/1", b"b")
    store.put("trials/2", b"c")
    store.put("top", b"d")
    assert store.read("trials/1") == b"b"
    assert sorted(store.names("trials/")) == ["trials/1", "trials/2"]
    assert store.names("") == ["top"]
    with pytest.raises(BucketError, match="over the limit"):
        store.put("large", b"x" * (MAX_BYTES + 1))


def test_after_an_answer_that_was_lost_nobody_takes_a_file_for_his_own_by_mistake(store):
    store.store.lost = 1
    assert not store.create("claims/1", b"mine")
    assert store.read("claims/1") == b"mine"
    store.store.lost = 1
    assert not store.create("claims/1", b"yours")
    assert store.read("claims/1") == b"mine"
    store.store.lost = 3
    with pytest.raises(AwayError):
        store.create("claims/2", b"mine")
