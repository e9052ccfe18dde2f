# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from boxwright.data.index import index_file
from boxwright.data.index.index import Index
from boxwright.data.labels.findings import Finding
from boxwright.data.splits import index_cache, scan
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.data.splits.source import Source
from tests.support import datasets

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path):
    datasets.write(tmp_path / "set", train=5, val=3, polygons=True)
    (tmp_path / "set/labels/train/001.txt").write_text(
        "0 0.5 0.5 0.2 0.2\n0 0.5 0.5 0.2 0.2\n0 nan 0.5 0.2 0.2\n"
    )  # two findings
    return tmp_path / "set"


@pytest.fixture
def scanned(monkeypatch):
    """How many files were looked at, scan by scan."""
    counts: list[int] = []
    real = scan._scanned
    monkeypatch.setattr(
        scan, "_scanned", lambda listing, how, known: (counts.append(len(listing.files)), real(listing, how, known))[1]
    )
    return counts


def opened(root: Path, split: str = "train") -> Index:
    return open_split(read_dataset(root / "data.yaml"), split)


def equal(one: Index, other: Index) -> bool:
    arrays = all(
        np.array_equal(value, other.arrays()[name]) and value.dtype == other.arrays()[name].dtype
        for name, value in one.arrays().items()
    )
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
    "a label for a picture that had none": lambda root: (root / "labels/train/004.txt").write_text(
        "2 0.5 0.5 0.1 0.1\n"
    ),
    "a picture added": lambda root: shutil.copy(root / "images/train/000.png", root / "images/train/009.png"),
    "a picture removed": lambda root: (root / "images/train/000.png").unlink(),
    "a picture replaced": picture_in_the_same_place,
    "a picture damaged": lambda root: (root / "images/train/003.png").write_bytes(b"x"),
    "a picture renamed": lambda root: (root / "images/train/000.png").rename(root / "images/train/0000.png"),
    "the list in another order of names": lambda root: (root / "images/train/000.png").rename(
        root / "images/train/zzz.png"
    ),
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


def about_caches(index: Index) -> list[Finding]:
    return [finding for finding in index.findings if finding.rule == "cache"]


def without_notes(index: Index) -> Index:
    return replace(index, findings=tuple(finding for finding in index.findings if finding.rule != "cache"))


def test_a_damaged_cache_is_made_anew_with_one_line(root, scanned):
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
        found = opened(root)
        assert equal(without_notes(found), expected)
        assert len(about_caches(found)) == 1
        assert about_caches(found)[0].severity == "note"
        assert about_caches(found)[0].file == str(cache)
        assert cache.read_bytes() == whole
    assert len(scanned) == 1 + len(damages)
    assert equal(opened(root), expected)  # and nothing is said of a sound one


def parts_of(content: bytes) -> tuple[dict, dict[str, np.ndarray], dict[str, bytes]]:
    """The head, the arrays and the texts of a cache, read without the code under test."""
    length = int.from_bytes(content[48:52], "little")
    head = json.loads(content[52 : 52 + length])
    shapes = index_file.Head(head["key"], head["origin"], head["counts"], 0).shapes()
    at, arrays, texts = 52 + length, {}, {}
    for name, (kind, shape) in shapes.items():
        values = np.frombuffer(content, kind, int(np.prod(shape)), at).reshape(shape).copy()
        arrays[name], at = values, at + values.nbytes
    for name in ("paths", "about", "called"):
        texts[name] = content[at : at + head["counts"][name]]
        at += head["counts"][name]
    return head, arrays, texts


def signed(head: object, arrays: dict[str, np.ndarray], texts: dict[str, bytes]) -> bytes:
    """A cache with the right checksum, whatever it says."""
    text = json.dumps(head).encode()
    payload = (
        len(text).to_bytes(4, "little")
        + text
        + b"".join([*(one.tobytes() for one in arrays.values()), *texts.values()])
    )
    return b"boxwright index\n" + hashlib.sha256(payload).digest() + payload


def in_array(name: str, value: float, place: int = 0):
    def change(_head, arrays, _texts):
        arrays[name].reshape(-1)[place] = value

    return change


def in_text(name: str, old: bytes, new: bytes):
    def change(head, _arrays, texts):
        assert old in texts[name]
        texts[name] = texts[name].replace(old, new)
        head["counts"][name] = len(texts[name])

    return change


def in_counts(name: str, value: object):
    return lambda head, arrays, texts: head["counts"].__setitem__(name, value)


def longer(head, arrays, _texts):
    """A million points that nobody drew."""
    arrays["points"] = np.zeros((1 << 20, 2), np.float32)
    head["counts"]["points"] = 1 << 20
    arrays["first_point"][-1] = 1 << 20


PLANTED = {
    **{
        f"{value} in {name}": in_array(name, value)
        for name in ("boxes", "points", "ignored")
        for value in (np.nan, np.inf, -1, 7)
    },
    **{f"{value} in {name}": in_array(name, value) for name in ("first_object", "first_point") for value in (1, -1)},
    **{
        f"{value} at the end of {name}": in_array(name, value, -1)
        for name in ("first_object", "first_point")
        for value in (0, 1 << 40)
    },
    **{f"{value} pixels": in_array("sizes_wh", value) for value in (0, -5, (1 << 31) - 1)},
    "a class below none": in_array("classes", -1),
    "an image that is neither usable nor not": in_array("used", 2),
    "an image less": in_array("used", 0),
    "a region of no class": in_array("ignored", 0.5),
    "a region of no image": in_array("image_of_ignored", 99),
    "an area below none": in_array("areas_px", -1),
    "a path more": in_text("paths", b".png", b"\0.png"),
    "a path of no place": in_text("paths", b"r/", b"x/"),
    "an empty path": in_text("paths", b"r/images/train/000.png", b""),
    "a severity of none": in_text("about", b"warning", b"terrible"),
    "an action of none": in_text("about", b"box dropped", b"rm -r"),
    "a line of none": in_text("about", b"\x00102\0", b"\0-2\0"),
    "a line of 5,000 digits": in_text("about", b"\x00102\0", b"\x00" + b"9" * 5000 + b"\0"),
    "a line in other digits": in_text("about", b"\x00102\0", "\0\u0662\0".encode()),
    "far more than the labels hold": longer,
    **{f"{value!r} as a count": in_counts("objects", value) for value in (-1, 1 << 62, 1.5, "9", None, True, [], {})},
    "no count": lambda head, arrays, texts: head["counts"].pop("objects"),
    "another count": in_counts("more", 1),
    **{
        f"{value!r} as {key}": (lambda head, arrays, texts, key=key, value=value: head.__setitem__(key, value))
        for key in ("key", "origin", "counts")
        for value in (1, None, [])
    },
    "no key": lambda head, arrays, texts: head.pop("key"),
    "a long head": lambda head, arrays, texts: head.__setitem__("origin", "x" * 5000),
}


@pytest.fixture
def full(tmp_path):
    """A set with whatever an index can hold: outlines, regions to ignore, stated areas, findings."""
    datasets.write(tmp_path / "set", train=5, val=1, polygons=True)
    root = tmp_path / "set"
    images = [{"id": number, "file_name": f"images/train/{number:03}.png"} for number in range(5)]
    boxes = [
        {
            "id": number,
            "image_id": number,
            "category_id": 1,
            "bbox": [10, 10, 20, 20],
            "area": 300,
            "iscrowd": number % 2,
        }
        for number in range(5)
    ]
    boxes[0]["segmentation"] = [[10, 10, 30, 10, 30, 30, 10, 30]]
    boxes.append({"id": 9, "image_id": 2, "category_id": 1, "bbox": "none"})
    document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "red"}]}
    (root / "train.json").write_text(json.dumps(document, indent=0))
    (root / "data.yaml").write_text("train: train.json\nval: train.json\nimages: .\n")
    return root


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_cache_with_the_right_checksum_and_stamps_is_made_anew(full, what):
    expected = opened(full)
    (cache,) = caches(full.parent)
    head, arrays, texts = parts_of(cache.read_bytes())
    assert signed(head, arrays, texts) == cache.read_bytes()
    PLANTED[what](head, arrays, texts)
    planted = signed(head, arrays, texts)
    cache.write_bytes(planted)
    found = opened(full)
    assert equal(without_notes(found), expected)
    assert len(about_caches(found)) == 1
    assert cache.read_bytes() != planted


def test_a_cache_that_came_with_a_data_set_says_nothing_of_its_pictures(root, tmp_path):
    """Stamps hold when the entry of a file was last changed here: nobody elsewhere can know it."""
    opened(root)
    shutil.copytree(root, tmp_path / "elsewhere")
    (cache,) = caches(tmp_path / "elsewhere")
    head, arrays, texts = parts_of(cache.read_bytes())
    arrays["boxes"][:] = 0.25
    cache.write_bytes(signed(head, arrays, texts))
    found = opened(tmp_path / "elsewhere")
    assert equal(found, open_split(read_dataset(tmp_path / "elsewhere/data.yaml"), "train", cached=False))


@pytest.mark.parametrize("kind", ["a folder", "a pipe", "a link to a device"])
def test_what_is_no_regular_file_is_no_cache(root, kind):
    expected = opened(root)
    (cache,) = caches(root)
    cache.unlink()
    match kind:
        case "a folder":
            cache.mkdir()
        case "a pipe":
            os.mkfifo(cache)
        case "a link to a device":
            cache.symlink_to("/dev/zero")
    found = opened(root)
    assert equal(without_notes(found), expected)
    why = "is a directory" if kind == "a folder" else "not a regular file but a device, a pipe or a socket"
    assert [finding.text for finding in about_caches(found)] == [f"cannot be used as a cache of the index ({why})"]


def test_a_head_that_promises_much_sets_nothing_aside(root):
    expected = opened(root)
    (cache,) = caches(root)
    head, arrays, texts = parts_of(cache.read_bytes())
    head["counts"]["objects"] = 1 << 26
    content = signed(head, arrays, texts)
    with cache.open("wb") as file:
        file.write(content)
        file.truncate(
            index_file.Head("", "", head["counts"], 52 + len(json.dumps(head))).total()
        )  # gigabytes of nothing, on a disk that holds none
    tracemalloc.start()
    found = opened(root)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert equal(without_notes(found), expected)
    assert len(about_caches(found)) == 1
    assert most < 20 * 2**20


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
        digests=draw.integers(0, 256, (images, 16), np.uint8),
    )
    source = Source("yolo", tmp_path / "images/train", tmp_path)
    index_cache.store(source, "key", index_file.Stored(index, ("a",), paths, np.arange(images, dtype=np.uint64), ""))
    tracemalloc.start()
    found = index_cache.find(source, "key").whole(None)
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
