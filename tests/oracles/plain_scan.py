# SPDX-License-Identifier: Apache-2.0
"""The textbook scan of a folder: every image opened and verified, every label file split into words.

Kept as a dictionary by file name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps

from tests.oracles.plain_labels import plain_rows

END = b"\xff\xd9"


def label_file(image: Path) -> Path:
    """Where the labels of an image are."""
    return Path(str(image).replace("/images/", "/labels/")).with_suffix(".txt")


def plain_scan(images: Path) -> dict[str, tuple[tuple[int, int], np.ndarray]]:
    """Upright size and rows of every image of a folder."""
    return {str(file): (_size(file), _rows(file)) for file in _listed(images)}


def _listed(images: Path) -> list[Path]:
    return sorted(
        path for path in images.rglob("*.*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".bmp", ".webp"}
    )


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        picture.verify()
        width, height = picture.size
        turned = picture.getexif().get(ExifTags.Base.Orientation) in {5, 6, 7, 8}
    if turned:
        width, height = height, width
    assert min(width, height) > 9
    if picture.format == "JPEG":
        with file.open("rb") as stream:
            stream.seek(-2, 2)
            if stream.read() != END:
                ImageOps.exif_transpose(Image.open(file)).load()
    return width, height


def _rows(file: Path) -> np.ndarray:
    labels = label_file(file)
    return plain_rows(labels.read_bytes()) if labels.is_file() else np.zeros((0, 5), np.float32)


def digest(images: Path) -> str:
    """The sizes and names of all files: what tells a textbook that its cache is stale."""
    files = _listed(images)
    sizes = sum(path.stat().st_size for file in files for path in (file, label_file(file)) if path.exists())
    return hashlib.sha256(f"{sizes}{''.join(map(str, files))}".encode()).hexdigest()


def keep(found: dict[str, tuple[tuple[int, int], np.ndarray]], key: str, cache: Path) -> None:
    """Write the cache."""
    np.save(cache, {"files": found, "key": key})  # type: ignore[arg-type]  # an object array of one


def kept(cache: Path, images: Path) -> dict[str, tuple[tuple[int, int], np.ndarray]]:
    """Read the cache and see that it holds."""
    document = np.load(cache, allow_pickle=True).item()
    assert document["key"] == digest(images)
    result: dict[str, tuple[tuple[int, int], np.ndarray]] = document["files"]
    return result
