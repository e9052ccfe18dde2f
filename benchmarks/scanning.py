# SPDX-License-Identifier: Apache-2.0
"""A split of 5,000 images opened.

From its files, from its cache with a look at every file, and from its cache alone.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

from benchmarks.label_files import text_of
from benchmarks.measure import Result, against
from benchmarks.photographs import photograph
from boxwright.data.index.index import Index
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.open_split import open_split
from tests.oracles import plain_scan

IMAGES, PICTURES, SMALL_WH, QUALITY = 5000, 40, (320, 240), 80
YAML = "path: .\ntrain: images/train\nval: images/train\nnames: [{names}]\n"


def run() -> list[Result]:
    with tempfile.TemporaryDirectory() as folder:
        dataset, images, cache = _written(Path(folder))
        _require_alike(open_split(dataset, "train", threads=1), plain_scan.plain_scan(images))
        plain_scan.keep(plain_scan.plain_scan(images), plain_scan.digest(images), cache)

        def theirs() -> object:
            return plain_scan.kept(cache, images)

        return [
            against(
                f"scan of {IMAGES:,} images",
                lambda: open_split(dataset, "train", threads=1, cached=False),
                lambda: plain_scan.plain_scan(images),
                goal=3.0,
                rounds=3,
            ),
            against(
                f"index of {IMAGES:,} images from its cache, every file looked at",
                lambda: open_split(dataset, "train"),
                theirs,
                goal=1.5,
                rounds=5,
            ),
            against(
                f"index of {IMAGES:,} images, --trust-cache",
                lambda: open_split(dataset, "train", trusting=True),
                theirs,
                goal=20.0,
                rounds=5,
            ),
        ]


def _written(folder: Path) -> tuple[Dataset, Path, Path]:
    images, labels = folder / "images/train", folder / "labels/train"
    images.mkdir(parents=True)
    labels.mkdir(parents=True)
    small = (cv2.resize(photograph(number), SMALL_WH, interpolation=cv2.INTER_AREA) for number in range(PICTURES))
    pictures = [cv2.imencode(".jpg", one, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes() for one in small]
    for number in range(IMAGES):
        (images / f"{number:05}.jpg").write_bytes(pictures[number % PICTURES])
        (labels / f"{number:05}.txt").write_bytes(text_of(number))
    yaml = folder / "data.yaml"
    yaml.write_text(YAML.format(names=", ".join(f"c{number}" for number in range(80))))
    return read_dataset(yaml), images, folder / "textbook.npy"


def _require_alike(mine: Index, theirs: dict) -> None:
    """The gate: the same files, sizes, classes and boxes, and nothing found."""
    assert list(mine.paths) == list(theirs)
    assert not mine.findings
    assert mine.sizes_wh.tolist() == [list(size) for size, _ in theirs.values()]
    rows = np.concatenate([one for _, one in theirs.values()])
    assert np.array_equal(mine.classes, rows[:, 0])
    assert np.abs(mine.boxes - rows[:, 1:]).max() < 1e-6
