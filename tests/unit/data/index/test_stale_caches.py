# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.index_cache import SUFFIX
from boxwright.data.splits.open_split import open_split
from tests.support import datasets, formats


def scans_of(yaml: Path, **how) -> tuple[int, object]:
    """How many files had to be read, and the index."""
    read: list[int] = []
    index = open_split(read_dataset(yaml), "train", progress=lambda done, _total: read.append(done), **how)
    return len(read), index


@pytest.fixture
def yaml(tmp_path):
    return datasets.write(tmp_path / "set")


def test_a_second_look_reads_no_file_and_says_the_same(yaml):
    first, one = scans_of(yaml)
    second, other = scans_of(yaml)
    assert (first, second) == (12, 0)
    assert one.fingerprint() == other.fingerprint()


def test_an_edit_that_keeps_size_and_time_is_seen_and_only_that_file_is_read(yaml):
    _, before = scans_of(yaml)
    label = yaml.parent / "labels/train/000.txt"
    times = label.stat().st_atime_ns, label.stat().st_mtime_ns
    text = label.read_text()
    label.write_text(("1" if text[0] != "1" else "2") + text[1:])
    os.utime(label, ns=times)
    count, after = scans_of(yaml)
    assert count == 1
    assert after.classes[0] != before.classes[0]
    assert np.array_equal(after.classes[1:], before.classes[1:])


@pytest.mark.parametrize("change", ["add", "remove", "replace", "label removed"])
def test_a_changed_set_is_never_served_from_the_cache(yaml, change):
    scans_of(yaml)
    images, labels = yaml.parent / "images/train", yaml.parent / "labels/train"
    match change:
        case "add":
            shutil.copy(images / "000.png", images / "900.png")
        case "remove":
            (images / "000.png").unlink()
        case "replace":
            shutil.copy(images / "001.png", images / "000.png")
        case "label removed":
            (labels / "000.txt").unlink()
    count, index = scans_of(yaml)
    assert count == (0 if change == "remove" else 1)
    fresh = open_split(read_dataset(yaml), "train", cached=False)
    assert index.fingerprint() == fresh.fingerprint()


def test_other_names_for_the_classes_need_no_scan_and_take_effect(yaml):
    scans_of(yaml)
    yaml.write_text(yaml.read_text() + "drop: [red]\n")
    count, index = scans_of(yaml)
    assert count == 0
    assert index.fingerprint() == open_split(read_dataset(yaml), "train", cached=False).fingerprint()


def test_a_set_that_was_moved_needs_no_scan(yaml, tmp_path):
    _, before = scans_of(yaml)
    yaml.parent.rename(tmp_path / "moved")
    count, index = scans_of(tmp_path / "moved/data.yaml")
    assert count == 0
    assert index.fingerprint() == before.fingerprint()
    assert all(Path(path).is_file() for path in index.paths)


def test_damaged_caches_are_rebuilt_without_a_word(yaml):
    scans_of(yaml)
    cache = next(yaml.parent.rglob(f"*{SUFFIX}"))
    content = cache.read_bytes()
    for damaged in (b"", content[:100], content[:-1], content[:60] + b"\0" + content[61:]):
        cache.write_bytes(damaged)
        assert scans_of(yaml)[0] == 12


def test_trust_looks_at_no_file(yaml):
    scans_of(yaml)
    (yaml.parent / "labels/train/000.txt").unlink()
    (yaml.parent / "images/train/001.png").unlink()
    count, index = scans_of(yaml, trusting=True)
    assert count == 0
    assert len(index.classes)


def test_a_set_that_cannot_be_written_is_cached_in_the_users_folder(yaml):
    for folder in (yaml.parent / "labels", yaml.parent):
        folder.chmod(0o555)
    try:
        scans_of(yaml)
        assert scans_of(yaml)[0] == 0
        assert not list(yaml.parent.rglob(f"*{SUFFIX}"))
    finally:
        for folder in (yaml.parent, yaml.parent / "labels"):
            folder.chmod(0o755)


@pytest.mark.parametrize("write", [formats.write_coco, formats.write_voc])
def test_other_formats_are_cached_too_and_see_edits(tmp_path, write):
    place = write(tmp_path / "set")
    first, _ = scans_of(place)
    assert first == 8
    assert scans_of(place)[0] == 0
    edited = place if place.suffix == ".json" else tmp_path / "set/Annotations/train_000.xml"
    edited.write_text(edited.read_text() + " ")
    assert scans_of(place)[0] == (8 if place.suffix == ".json" else 1)
