# SPDX-License-Identifier: Apache-2.0
"""Data sets without a YAML.

A COCO JSON, a folder with such JSONs or in the layout of Pascal VOC, or one that holds a YAML. Read as if one were
there.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.documents import Document, read_yaml
from boxwright.errors import DataError, nearest
from boxwright.paths import is_file, is_folder, require_path

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_YAMLS = 20  # that are looked into
SPLIT_WORDS = {"train": ("train", "training", "trainval"), "val": ("val", "valid", "validation"), "test": ("test",)}


def open_document(file: Path) -> tuple[Document, Path]:
    """The YAML that a path means, and the folder that its relative paths begin at. Raises DataError."""
    require_path(str(file), "--data")
    if is_folder(file):
        return _of_folder(file)
    if not is_file(file):
        remedy = (
            f"{_nearby(file)}Give a data set YAML, a COCO JSON, a folder in VOC or COCO layout, or --data "
            "sample "
            "to try the program"
        )
        raise DataError(f"--data {file}", "there is no such file", remedy)
    if file.suffix.lower() == ".json":
        return Document(str(file), _of_json(file)), file.resolve().parent
    return read_yaml(file), file.resolve().parent


def _nearby(file: Path) -> str:
    folder = file.parent if is_folder(file.parent) else Path()
    near = nearest(file.name, (path.name for path in folder.glob("*.y*ml")))
    return f"Did you mean '{folder / near}'? " if near else ""


def _of_folder(folder: Path) -> tuple[Document, Path]:
    yamls = sorted(path for path in folder.glob("*.y*ml") if is_file(path))
    if is_folder(folder / "Annotations") and is_folder(folder / "JPEGImages"):
        described = [document for document in map(read_yaml, yamls[:MOST_YAMLS]) if _names_splits(document)]
        return (described[0] if len(described) == 1 else Document(str(folder), _of_voc(folder))), folder.resolve()
    if len(yamls) == 1:
        return read_yaml(yamls[0]), folder.resolve()
    jsons = sorted((*folder.glob("annotations/*.json"), *folder.glob("*.json")))
    if len(yamls) > 1:
        raise DataError(
            f"--data {folder}",
            f"the folder holds {len(yamls)} YAML files",
            f"Name one of them: {', '.join(map(str, yamls))}",
        )
    if family := _family(jsons):
        return Document(str(family), _of_json(family)), family.resolve().parent
    if jsons:
        raise DataError(
            f"--data {folder}",
            "the folder holds JSON annotations and no data set YAML",
            f"Name one of them: {', '.join(map(str, jsons[:4]))}",
        )
    remedy = "Write a YAML with 'train', 'val' and 'names'; `boxwright data split` makes one from a folder of images"
    raise DataError(f"--data {folder}", "is a folder without a data set YAML", remedy)


def _names_splits(document: Document) -> bool:
    """Whether a YAML is that of a data set. In a folder of VOC it says what the folder cannot: the order of classes."""
    return isinstance(document.value, dict) and any(document.value.get(key) for key in (*SPLIT_WORDS, "sources"))


def _family(jsons: Sequence[Path]) -> Path | None:
    """The training file of the one set of annotations that come as a file for each split.

    Of several sets, the instances.
    """
    families: dict[str, dict[str, Path]] = {}
    for file in jsons:
        split, word = _split_of(file.stem)
        if word:
            families.setdefault(_replaced(file.stem, word, "*"), {}).setdefault(split, file)
    divided = {stem: files for stem, files in families.items() if {"train", "val"} <= set(files)}
    chosen = [files for stem, files in divided.items() if len(divided) == 1 or stem.lower().startswith("instances")]
    return chosen[0]["train"] if len(chosen) == 1 else None


def _of_voc(folder: Path) -> dict[str, Any]:
    """The lists in ImageSets/Main that are called like splits; without them all images are one split."""
    lists = folder / "ImageSets" / "Main"
    found: dict[str, Any] = {"path": ".", "format": "voc"}
    for split, words in SPLIT_WORDS.items():
        name = next((word for word in words if is_file(lists / f"{word}.txt")), None)
        if name is not None:
            found[split] = f"ImageSets/Main/{name}.txt"
    if not any(split in found for split in SPLIT_WORDS):
        found["train"] = "JPEGImages"
    return found


def _of_json(file: Path) -> dict[str, Any]:
    """This file for the split that its name says, and its sisters for the others."""
    found: dict[str, Any] = {"path": ".", "format": "coco"}
    mine, word = _split_of(file.stem)
    found[mine] = file.name
    if not word:
        return found
    for split, words in SPLIT_WORDS.items():
        for other in words:
            sister = file.with_name(f"{_replaced(file.stem, word, other)}{file.suffix}")
            if split != mine and is_file(sister):
                found.setdefault(split, sister.name)
    return found


def _split_of(stem: str) -> tuple[str, str]:
    words = re.split(r"[^a-z]+", stem.lower())
    for split, known in SPLIT_WORDS.items():
        for word in known:
            if word in words:
                return split, word
    return "train", ""


def _replaced(stem: str, word: str, other: str) -> str:
    return re.sub(rf"(?<![A-Za-z]){word}(?![A-Za-z])", other, stem, flags=re.IGNORECASE)
