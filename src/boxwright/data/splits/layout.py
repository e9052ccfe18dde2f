# SPDX-License-Identifier: Apache-2.0
"""Folders that are not as they were meant.

What seems to be wrong with them, in one sentence that says how to mend it.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from boxwright.data.splits.source import Source
from boxwright.documents import Document
from boxwright.errors import DataError, nearest, printable
from boxwright.paths import entries_of, is_file, is_folder, is_there, opened_regular, shortened, why_unusable

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN_CHARACTERS = 200
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
LABEL_FOLDERS = ("labels", "Labels", "label", "Label", "annotations", "Annotations", "txt", "annotation", "yolo")
LOOKED_AT_BYTES = 1 << 16  # of a list


def about_download(document: Document, raw: dict[str, Any]) -> str:
    """What to do about a `download:` entry. It is shown; it is never run and never fetched here."""
    if not raw.get("download"):
        return ""
    text = " ".join(document.texts.get(("download",), str(raw["download"])).split())
    shown = printable(text[:SHOWN_CHARACTERS]) + ("..." if len(text) > SHOWN_CHARACTERS else "")
    if text.startswith("https://") and " " not in text:
        return f"Its 'download' names {shown}; `boxwright data fetch {document.name}` fetches and unpacks it"
    return (
        "Its 'download' holds text that would have to be run, which this program never does; look at it and run "
        "it "
        f"by hand if you trust it: {shown}"
    )


def about_root(home: Path, stated: str) -> str:
    """Where the data lies instead of in the folder that `path` names."""
    if is_folder(home / "images") or is_folder(home / "train"):
        return "The data lies beside the YAML; write 'path: .'"
    standing = next((parent for parent in (home / stated).parents if is_folder(parent)), home)
    near = nearest(Path(stated).name, (path.name for path in entries_of(standing) if is_folder(path)))
    return f"The nearest folder that exists is {standing}{f', which holds {near}' if near else ''}; correct 'path'"


def without_way_up(text: str) -> str:
    """A path that leads out of the folder as it would be inside of it; '' for one that does not lead out."""
    parts = PurePath(text).parts
    return "/".join(itertools.dropwhile(lambda part: part == "..", parts)) if parts[:1] == ("..",) else ""


def about_split(root: Path, text: str, split: str) -> str:
    """Where images seem to be instead."""
    if "\\" in text and is_there(root / text.replace("\\", "/")):
        return f"Write '{text.replace(chr(92), '/')}', with slashes"
    parent = (root / text).parent
    near = nearest(Path(text).name, (path.name for path in entries_of(parent)))
    if near:
        return f"Did you mean '{Path(text).parent / near}'?"
    swapped = [
        candidate
        for candidate in (f"images/{split}", f"{split}/images", split, "images", "JPEGImages")
        if is_folder(root / candidate)
    ]
    if swapped:
        return f"There is '{swapped[0]}'; correct '{split}'"
    inner = next((path for path in sorted(entries_of(root)) if is_there(path / text)), None)
    return f"There is '{inner.name}/{text}'; write 'path: {inner.name}'" if inner else f"Correct '{split}', or 'path'"


def about_no_images(source: Source, suffixes: Iterable[str]) -> str:
    """Why a folder or a list has no images in it."""
    place = source.place
    kinds = f"Put images there ({' '.join(sorted(suffixes))}), or correct the path"
    if place.is_file():
        with opened_regular(place) as (descriptor, _):
            head = os.read(descriptor, LOOKED_AT_BYTES).decode("utf-8", "replace")
        first = next((line.strip() for line in head.splitlines() if line.strip()), "")
        return (
            f"Its first line is '{first[:SHOWN_CHARACTERS]}', which is no image; write one image path per line"
            if first
            else f"The list is empty. {kinds}"
        )
    names = [entry.name for entry in entries_of(place)]
    archive = next((name for name in sorted(names) if name.lower().endswith(ARCHIVES)), "")
    if archive:
        return f"There is {archive}; unpack it there"
    if any(name.endswith(".txt") for name in names):
        images = place.parent.parent / "images" / place.name
        instead = f"name {images}" if is_folder(images) else "name the folder of the images"
        return f"The folder holds label files; {instead}: labels are found from images"
    return kinds


def about_no_labels(source: Source, image: str) -> str:
    """Why no image has a label file where it is looked for; `image` is one of them. '' when nothing is known."""
    if source.format != "yolo":
        return ""
    looked_for, here = Path(source.label_of(image)), Path(image)
    doubled = looked_for.with_name(f"{here.name}.txt")
    if is_file(doubled):
        return (
            f"Label files are called '{doubled.name}' there; they have to be called '{looked_for.name}', "
            "without "
            "the suffix of the image"
        )
    if any(path.suffix.lower() == ".xml" for path in entries_of(here.parent)) or is_folder(
        here.parent.parent / "Annotations"
    ):
        return "There are XML files; write 'format: voc'"
    found = _elsewhere(here, looked_for.stem)
    return (
        f"There is {found}; write {_rule_for(image, str(found))}"
        if found is not None
        else _about_other_files(looked_for, here.parent)
    )


def _about_other_files(looked_for: Path, folder: Path) -> str:
    jsons = [
        path
        for base in (folder.parent, folder.parent.parent)
        for path in (*base.glob("*.json"), *base.glob("annotations/*.json"))
    ]
    if jsons:
        return f"There is {jsons[0]}; name it as the split to read it as COCO annotations"
    others = [path.name for path in entries_of(looked_for.parent) if path.suffix == ".txt"]
    if not others:
        return ""
    return (
        f"The folder holds {len(others)} label files under other names, such as {min(others)}; names of images "
        "and "
        "labels have to match"
    )


def _elsewhere(image: Path, stem: str) -> Path | None:
    """The label file under a folder of another name or on another level."""
    bases = [image.parent, image.parent.parent, image.parent.parent.parent]
    tails = [Path(f"{stem}.txt"), Path(image.parent.name) / f"{stem}.txt"]
    places = [base / name / tail for base in bases for name in LABEL_FOLDERS for tail in tails]
    places += [image.parent.with_name(f"{image.parent.name}_labels") / f"{stem}.txt", image.with_suffix(".txt")]
    return next((place for place in places if is_file(place)), None)


def _rule_for(image: str, label: str) -> str:
    """The `labels:` line that leads from this image to this label file."""
    if Path(label).parent == Path(image).parent:
        return "'labels: beside'"
    shared = os.path.commonpath((image, label))
    before, after = (
        Path(image).parent.as_posix().removeprefix(shared),
        Path(label).parent.as_posix().removeprefix(shared),
    )
    while (
        before.rpartition("/")[2]
        and before.rpartition("/")[2] == after.rpartition("/")[2]
        and before.count("/") > 1
        and after.count("/") > 1
    ):
        before, after = before.rpartition("/")[0], after.rpartition("/")[0]
    return f"'labels: {before}/ -> {after}/'"


def annotations_in(folder: Path, where: str) -> Path:
    """The one JSON file of a folder. Raises DataError when there is none, or more."""
    found = sorted(folder.glob("*.json"))
    if len(found) == 1:
        return found[0]
    listed = ", ".join(path.name for path in found[:4]) or "none"
    raise DataError(
        where, f"{folder} holds {len(found)} JSON files ({listed})", "Name the one with the annotations of the split"
    )


def images_of_json(file: Path, root: Path, split: str, first: str) -> Path:
    """The folder at which the file names of a COCO JSON begin; `first` is one of them. Raises DataError."""
    words = [
        part for part in file.stem.replace("-", "_").split("_") if part not in {"instances", "annotations", "coco"}
    ]
    names = dict.fromkeys(
        (
            ".",
            "images",
            f"images/{split}",
            split,
            f"{split}/images",
            *(f"images/{w}" for w in words),
            *words,
            "JPEGImages",
            "data",
        )
    )
    tried = list(
        dict.fromkeys((base / name).resolve() for base in (file.parent, file.parent.parent, root) for name in names)
    )
    found = next((folder for folder in tried if not why_unusable(first) and is_file(folder / first)), None)
    if found is None:
        existing = [folder for folder in tried if is_folder(folder)]
        what = f"'{shortened(first, SHOWN_CHARACTERS)}' is in none of {', '.join(map(str, existing))}"
        raise DataError(str(file), what, "Write 'images: FOLDER' into the data set YAML")
    return found
