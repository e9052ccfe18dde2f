# SPDX-License-Identifier: Apache-2.0
"""From a source to image files in order of their paths, and how their annotations are read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from boxwright.data import layout
from boxwright.data.findings import Finding
from boxwright.data.formats import coco, voc, yolo
from boxwright.data.formats.annotated import Listed
from boxwright.data.images import OTHER_PICTURES, SUFFIXES
from boxwright.data.source import Source
from boxwright.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

ARRAY_SUFFIX = ".npy"


def listed(source: Source, split: str, clip_margin: float) -> Listed:
    """Every image of a source, sorted by path, each once; pictures of other formats come back as findings. Raises DataError when there is none."""
    if source.format == "coco":
        return _of_coco(source, clip_margin)
    files: dict[str, None] = {}
    findings: list[Finding] = []
    for path in in_place(source):
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 -- a path object for each of a million files is felt
        if suffix in SUFFIXES or suffix == ARRAY_SUFFIX:
            files[path] = None
        elif suffix in OTHER_PICTURES:
            text = f"pictures of type {suffix} are not read"
            findings.append(Finding(path, None, "format", "warning", text, "image skipped", "Convert it to JPEG or PNG"))
    if not files:
        raise DataError(f"split '{split}'", f"no images in {', '.join(map(str, (source.place, *source.more)))}", layout.about_no_images(source, SUFFIXES))
    images = sorted(files)
    if source.format == "yolo":
        return Listed(images, findings, source.names, yolo.reader(source.label_of, clip_margin))
    names = source.names or voc.class_names(images, source.label_of)
    return Listed(images, findings, names, voc.reader({name: number for number, name in enumerate(names)}, source.label_of, clip_margin))


def _of_coco(source: Source, clip_margin: float) -> Listed:
    found = coco.read_coco(source.place)
    root = str(source.images)
    files = sorted(f"{root}/{name}" for name in found.images)
    return Listed(files, [], found.names, coco.reader(found, root, clip_margin))


def in_place(source: Source) -> list[str]:
    """What a source's folders and lists name, pictures or not."""
    return [path for place in (source.place, *source.more) for path in _in_one(source, place)]


def _in_one(source: Source, place: Path) -> list[str]:
    if place.is_dir():
        return _in_folder(place)
    lines = _lines(place)
    if source.format == "voc" and not any("/" in line or "\\" in line for line in lines):
        return [str(path) for path in voc.images_of_list(place, lines)]
    return [str(path) for path in _in_list(place, lines, source.root)]


def _in_folder(folder: Path) -> list[str]:
    """Files and links to files with a suffix, at any depth. Links to folders are not followed: they may lead in a circle."""
    found: list[str] = []
    folders = [str(folder)]
    while folders:
        try:
            entries = list(os.scandir(folders.pop()))
        except PermissionError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif "." in entry.name and (entry.is_file(follow_symlinks=False) or (entry.is_symlink() and not entry.is_dir())):
                found.append(entry.path)
    return found


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(str(file), f"cannot be read ({(error.strerror or str(error)).lower()})", "Make the list readable") from None
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:  # no path holds it, other encodings and binary files do
        raise DataError(str(file), "is not a text file with one image path per line", "Name a folder of images or a list file in UTF-8")
    return text.splitlines()


def listable(path: str) -> bool:
    """Whether a list file can hold this path and give it back: one line of text without blanks around it."""
    return path.splitlines() == [path] and path.strip() == path and "\0" not in path and not any("\ud800" <= letter <= "\udfff" for letter in path)


def _in_list(file: Path, lines: list[str], root: Path) -> list[Path]:
    """Paths from a text file: `./` means beside the file, others are relative to the root, absolute ones stay."""
    paths = []
    for line in (line.strip() for line in lines):
        if line.startswith("./"):
            paths.append(file.parent / line[2:])
        elif line:
            paths.append(root / line)
    return paths
