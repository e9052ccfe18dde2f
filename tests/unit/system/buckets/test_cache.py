# SPDX-License-Identifier: Apache-2.0
"""Objects of a bucket on the local disk: fetched once, looked at each time, bounded, never outside of their folder."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from boxwright.system.buckets.address import Address, AwayError, BucketError, Facts
from boxwright.system.buckets.cache import cached_object, folder_of, read_record, replica
from boxwright.system.buckets.folder import FolderStore
from boxwright.system.places import cache_folder
from tests.support.commands import contents

if TYPE_CHECKING:
    from pathlib import Path

KINDS = (".png", ".txt", ".yaml")


class CountedStore(FolderStore):
    """Notes what is fetched; `lies` are facts that are no longer so when it is."""

    def __init__(self, folder: Path) -> None:
        super().__init__(Address("file", str(folder)))
        self.fetched: list[str] = []
        self.odd: dict[str, Facts] = {}
        self.away = ""

    def get(self, name, target, most_bytes):
        self.fetched.append(name)
        if name == self.away:
            raise AwayError("there", "does not answer")
        return super().get(name, target, most_bytes)

    def names(self, prefix=""):
        return {**super().names(prefix), **self.odd}


@pytest.fixture
def there(tmp_path) -> Path:
    folder = tmp_path / "there"
    for name in ("data.yaml", "images/a.png", "images/b.png", "labels/a.txt", "run.sh", "model.pt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_a_set_is_fetched_once_and_only_what_a_set_consists_of(there):
    store = CountedStore(there)
    here = replica(store, KINDS)
    assert sorted(store.fetched) == ["data.yaml", "images/a.png", "images/b.png", "labels/a.txt"]
    assert contents(here) == {
        name: digest for name, digest in contents(there).items() if name not in {"run.sh", "model.pt"}
    }
    store.fetched.clear()
    assert replica(store, KINDS) == here
    assert store.fetched == []


def test_what_changed_there_or_here_is_fetched_again_and_nothing_else(there):
    store = CountedStore(there)
    here = replica(store, KINDS)
    (there / "images/a.png").write_text("another")
    (here / "images/b.png").write_text("images/X.png")  # of the same length
    (here / "labels/a.txt").unlink()
    os.utime(here / "data.yaml")  # touched, and as it was
    store.fetched.clear()
    replica(store, KINDS)
    assert sorted(store.fetched) == ["images/a.png", "images/b.png", "labels/a.txt"]
    assert (here / "images/a.png").read_text() == "another"
    assert (here / "images/b.png").read_text() == "images/b.png"
    (there / "images/b.png").unlink()
    replica(store, KINDS)
    assert not (here / "images/b.png").exists()


def test_what_arrived_before_an_interruption_is_not_fetched_again(there):
    store = CountedStore(there)
    store.away = "labels/a.txt"
    with pytest.raises(AwayError):
        replica(store, KINDS)
    store.away = ""
    before = set(store.fetched) - {"labels/a.txt"}
    store.fetched.clear()
    replica(store, KINDS)
    assert "labels/a.txt" in store.fetched
    assert len(before) + len(store.fetched) == 4
    assert not list(folder_of(store.address).rglob(".*"))


def test_without_looking_the_bucket_is_not_asked(there):
    store = CountedStore(there)
    with pytest.raises(BucketError, match="has never been fetched"):
        replica(store, KINDS, looking=False)
    here = replica(store, KINDS)
    there.rename(there.with_name("away"))
    assert replica(store, KINDS, looking=False) == here
    with pytest.raises(BucketError, match="there is no such folder"):
        replica(store, KINDS)


def test_the_cache_stays_below_its_bound(there, tmp_path, monkeypatch):
    replica(CountedStore(there), KINDS)
    size = read_record(Address("file", str(there))).size
    monkeypatch.setenv("BOXWRIGHT_BUCKET_CACHE_GIB", str(1.5 * size / 2**30))
    replica(CountedStore(there), KINDS)
    other = tmp_path / "other"
    (other / "images").mkdir(parents=True)
    (other / "images/a.png").write_bytes(b"x" * size)
    with pytest.raises(BucketError, match=rf"Remove .*{there.name}, which was used longest ago"):
        replica(CountedStore(other), KINDS)
    monkeypatch.setenv("BOXWRIGHT_BUCKET_CACHE_GIB", "0")
    with pytest.raises(BucketError, match="or set BOXWRIGHT_BUCKET_CACHE_GIB higher"):
        replica(CountedStore(other), KINDS)


@pytest.mark.parametrize("name", ["../up.txt", "/abs.txt", "a/../../b.txt", "a\\b.txt", "a//b.txt", "a\x1b.txt"])
def test_names_in_a_bucket_never_lead_out(name, there):
    store = CountedStore(there)
    store.odd[name] = Facts(3, "tag")
    with pytest.raises(BucketError, match="is no name for a file"):
        replica(store, KINDS)
    assert store.fetched == []


def test_an_object_that_arrives_otherwise_is_not_kept(there):
    store = CountedStore(there)
    store.odd["images/a.png"] = Facts(12, "tag", "0" * 32)
    store.digest = lambda _name: "0" * 64
    with pytest.raises(AwayError, match="has not arrived as it is there"):
        replica(store, KINDS)
    assert not (folder_of(store.address) / "images/a.png").exists()


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"address": 1, "objects": {"a": [1]}}', b"[" * 99999])
def test_a_broken_record_is_none(content, there):
    store = CountedStore(there)
    replica(store, KINDS)
    record = next((cache_folder() / "buckets" / "records").iterdir())
    record.write_bytes(content)
    store.fetched.clear()
    replica(store, KINDS)
    assert len(store.fetched) == 4
    assert len(json.loads(record.read_text())["objects"]) == 4


def test_one_object_is_fetched_once_too(there):
    store = CountedStore(there)
    assert cached_object(store, "model.pt", 100).read_text() == "model.pt"
    cached_object(store, "model.pt", 100)
    assert store.fetched == ["model.pt"]
    with pytest.raises(BucketError, match="over the limit"):
        cached_object(store, "model.pt", 3)
    with pytest.raises(BucketError, match="is not there"):
        cached_object(store, "none.pt", 3)
