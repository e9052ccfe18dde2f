# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from boxwright.data import index_cache, scan
from boxwright.data.dataset import read_dataset
from boxwright.data.index import Index
from boxwright.data.source import Source
from boxwright.data.split import open_split
from tests.support import datasets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=5, val=3, polygons=True)
    (tmp_path / "set/labels/train/001.txt").write_text("0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n0 nan 0.5 0.2 0.2\n")  # two findings
    return tmp_path / "set"


@pytest.fixture
def scanned(monkeypatch):
    """How many files were looked at, scan by scan."""
    counts: list[int] = []
    real = scan._scanned
    monkeypatch.setattr(scan, "_scanned", lambda listing, how, known: (counts.append(len(listing.files)), real(listing, how, known))[1])
    return counts


def opened(root: Path, split: str = "train") -> Index:
    return open_split(read_dataset(root / "data.yaml"), split)


def equal(one: Index, other: Index) -> bool:
    arrays = all(np.array_equal(value, other.arrays()[name]) and value.dtype == other.arrays()[name].dtype for name, value in one.arrays().items())
    return arrays and one.paths == other.paths and one.findings == other.findings and one.skipped == other.skipped


def caches(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.name.endswith(index_cache.SUFFIX))


def test_nothing_is_scanned_again_and_the_index_is_the_same_to_the_last_finding(root, scanned):
    first, second = opened(root), opened(root)
    assert scanned == [5]
    assert equal(first, second)
    assert len(first.findings) == 2
    assert first.has_polygons


def test_splits_keep_caches_of_their_own_even_in_one_folder(root, scanned):
    (root / "train.txt").write_text("images/train/000.png\nimages/train/001.png\n")
    (root / "val.txt").write_text("images/train/002.png\n")
    (root / "data.yaml").write_text("train: train.txt\nval: val.txt\nnames: [red, blue, green]\n")
    for _ in range(2):
        assert [len(opened(root, split)) for split in ("train", "val")] == [2, 1]
    assert scanned == [2, 1]


LABEL = "labels/train/002.txt"


def replaced_in_the_same_size(root: Path) -> None:
    text = (root / LABEL).read_text()
    other = text.replace("0.", "0.", 1)[:-3] + ("1" if text[-3] != "1" else "2") + text[-2:]
    assert len(other) == len(text)
    assert other != text
    (root / LABEL).write_text(other)


def picture_in_the_same_place(root: Path) -> None:
    Image.fromarray(np.zeros((50, 70, 3), np.uint8)).save(root / "images/train/002.png")


CHANGES = {
    "a label edited": lambda root: (root / LABEL).write_text("2 0.5 0.5 0.1 0.1\n"),
    "a label replaced by one of the same size": replaced_in_the_same_size,
    "a label removed": lambda root: (root / LABEL).unlink(),
    "a label emptied": lambda root: (root / LABEL).write_text(""),
    "a label for a picture that had none": lambda root: (root / "labels/train/004.txt").write_text("2 0.5 0.5 0.1 0.1\n"),
    "a picture added": lambda root: shutil.copy(root / "images/train/000.png", root / "images/train/009.png"),
    "a picture removed": lambda root: (root / "images/train/000.png").unlink(),
    "a picture replaced": picture_in_the_same_place,
    "a picture damaged": lambda root: (root / "images/train/003.png").write_bytes(b"x"),
    "a picture renamed": lambda root: (root / "images/train/000.png").rename(root / "images/train/0000.png"),
    "the list in another order of names": lambda root: (root / "images/train/000.png").rename(root / "images/train/zzz.png"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_after_any_change_the_index_is_that_of_a_fresh_scan(root, scanned, change):
    if change is CHANGES["a label for a picture that had none"]:
        (root / "labels/train/004.txt").unlink()
    before = opened(root)
    change(root)
    after = opened(root)
    assert len(scanned) == 2
    assert not equal(before, after)
    assert equal(after, open_split(read_dataset(root / "data.yaml"), "train", cached=False))
    assert equal(after, opened(root))
    assert len(scanned) == 3


def test_a_touched_file_costs_a_scan_and_changes_nothing(root, scanned):
    before = opened(root)
    os.utime(root / LABEL, ns=(1, 1))
    assert equal(before, opened(root))
    assert len(scanned) == 2


def test_a_damaged_cache_is_rebuilt_without_a_word(root, scanned, capsys):
    expected = opened(root)
    (cache,) = caches(root)
    whole = cache.read_bytes()
    draw = np.random.default_rng(0)
    flips = [bytearray(whole) for _ in range(20)]
    for flip in flips:
        flip[draw.integers(len(whole))] ^= 1 << draw.integers(8)
    damages = [b"", whole[:10], whole[: len(whole) // 2], whole + b"x", b"not a cache at all", *map(bytes, flips)]
    for damage in damages:
        cache.write_bytes(damage)
        assert equal(opened(root), expected)
        assert cache.read_bytes() == whole
    assert len(scanned) == 1 + len(damages)
    assert capsys.readouterr() == ("", "")


def test_a_cache_of_another_version_is_not_read(root, scanned, monkeypatch):
    opened(root)
    monkeypatch.setattr(index_cache, "VERSION", index_cache.VERSION + 1)
    opened(root)
    assert len(scanned) == 2


def test_a_cache_is_made_of_numbers_and_text_only(root):
    opened(root)
    (cache,) = caches(root)
    assert cache.parent.name == "labels"
    assert b"pickle" not in cache.read_bytes()
    assert cache.read_bytes().startswith(b"boxwright index\n")


def test_a_read_only_data_set_is_left_alone_and_cached_for_the_user(root, scanned, tmp_path):
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    before = sorted(root.rglob("*"))
    for folder in folders:
        folder.chmod(0o555)
    try:
        first, second = opened(root), opened(root)
        assert sorted(root.rglob("*")) == before
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert equal(first, second)
    assert scanned == [5]
    assert len(caches(tmp_path / "cache")) == 1


def test_an_index_of_a_hundred_thousand_images_stays_small_also_while_it_is_read(tmp_path):
    images, objects = 100_000, 700_000
    paths = tuple(f"{tmp_path}/images/train/{number:012}.jpg" for number in range(images))
    draw = np.random.default_rng(0)
    index = Index(
        paths=paths,
        sizes_wh=np.full((images, 2), 640, np.int32),
        first_object=np.linspace(0, objects, images + 1).astype(np.int64),
        classes=draw.integers(0, 80, objects).astype(np.int32),
        boxes=draw.random((objects, 4), np.float32),
        first_point=np.zeros(objects + 1, np.int64),
        points=np.zeros((0, 2), np.float32),
    )
    source = Source("yolo", tmp_path / "images/train", tmp_path)
    index_cache.store(source, "key", index_cache.Stored(index, ("a",), paths, np.arange(images, dtype=np.uint64), ""))
    tracemalloc.start()
    found = index_cache.load(source, "key")
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert equal(found.index, index)
    assert kept < 100 * 2**20
    assert most < 200 * 2**20


def test_a_cache_that_can_be_kept_nowhere_is_no_trouble(root, scanned, monkeypatch):
    monkeypatch.setenv("BOXWRIGHT_CACHE", "/proc/nowhere")
    (root / "labels").chmod(0o555)
    try:
        assert equal(opened(root), opened(root))
    finally:
        (root / "labels").chmod(0o755)
    assert len(scanned) == 2
