# SPDX-License-Identifier: Apache-2.0
"""A data set YAML on its way to sources: where its paths lead, and what stands there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from boxwright.data.formats import coco
from boxwright.data.splits import layout
from boxwright.data.splits.bucket_data import data_of_bucket
from boxwright.data.splits.source import FORMATS, USUAL_RULE, Format, LabelRule, Source
from boxwright.documents import Document
from boxwright.errors import DataError
from boxwright.paths import is_file, is_folder, is_there, require_path
from boxwright.system.buckets.address import is_address
from boxwright.system.places import data_folder


@dataclass(frozen=True)
class Reading:
    """A document on its way. `tried` are the folders that `path` could have meant; `notes` are added on the way."""

    document: Document
    raw: dict[str, Any]
    home: Path
    root: Path
    tried: list[Path]
    notes: list[str] = field(default_factory=list)


def root_of(document: Document, raw: dict[str, Any], home: Path, starts: tuple[Path, ...]) -> tuple[Path, list[Path]]:
    """The first place that exists: beside the YAML, in the working folder, in the data folder.

    And all that were tried.
    """
    stated = text_of(document, raw, "path") or "."
    if is_address(stated):
        here = data_of_bucket(stated, document.place("path"))
        return here, [here]
    bases = [home, Path.cwd(), *([folder] if (folder := data_folder()) else []), *starts]
    tried = list(dict.fromkeys((base / stated).resolve() for base in bases))
    found = next((path for path in tried if is_folder(path)), None)
    if found is None:
        remedy = layout.about_download(document, raw) or layout.about_root(home, stated)
        raise DataError(document.place("path"), f"the folder '{stated}' is not there (tried {_listed(tried)})", remedy)
    return found, tried


def text_of(document: Document, raw: dict[str, Any], *address: str | int) -> str:
    """A path as it was written. Raises DataError for one that no system has."""
    value: Any = raw
    for key in address:
        value = (
            value.get(key) if isinstance(value, dict) else value[cast("int", key)] if isinstance(value, list) else None
        )
    return require_path(document.texts.get(address, "" if value is None else str(value)), document.place(*address))


def place_of(reading: Reading, split: str, text: str) -> Path:
    """Where the path of a split leads. Raises DataError with every place that was tried."""
    if is_address(text):
        where, what = reading.document.place(split), f"'{text}' is an address in a bucket"
        raise DataError(where, what, "Write the folder that holds images and labels there under 'path'")
    tried = list(dict.fromkeys(base / text for base in (reading.root, *reading.tried, reading.home)))
    for path in tried:
        if is_there(path):
            return path
    document = reading.document
    inside = layout.without_way_up(text)
    for path in dict.fromkeys((reading.home / inside, reading.root / inside)) if inside else ():
        if is_there(path):  # as some programs export it: as if the YAML lay in a folder beside those of the splits
            reading.notes.append(
                f"{document.place(split)}: '{text}' is not there, and '{inside}' is: it is read as that"
            )
            return path
    remedy = layout.about_download(document, reading.raw) or layout.about_split(reading.root, text, split)
    raise DataError(document.place(split), f"'{text}' of split '{split}' is not there (tried {_listed(tried)})", remedy)


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths))


def source_at(reading: Reading, split: str, place: Path, names: tuple[str, ...]) -> Source:
    """The source that a place is. Raises DataError for one that cannot be read."""
    kind = _format(reading, place)
    images = None
    if kind == "coco":
        place = layout.annotations_in(place, reading.document.place(split)) if is_folder(place) else place
        if not is_file(place):
            raise DataError(reading.document.place(split), f"{place} is no file", "Name a COCO instances file")
        images = _images(reading, split, place)
    return Source(kind, place, reading.root, names, images=images, rule=_rule(reading))


def _format(reading: Reading, place: Path) -> Format:
    stated = reading.raw.get("format")
    if stated is not None:
        if stated not in FORMATS:
            raise DataError(
                reading.document.place("format"), f"there is no format '{stated}'", f"Formats: {', '.join(FORMATS)}"
            )
        return cast("Format", stated)
    if place.suffix.lower() == ".json":
        return "coco"
    in_voc = place.name == "JPEGImages" or "ImageSets" in place.parts
    return "voc" if in_voc else "yolo"


def _images(reading: Reading, split: str, place: Path) -> Path:
    """Where the file names of a COCO JSON begin.

    As stated, else the first likely place that holds the first of them.
    """
    stated = reading.raw.get("images")
    text = (
        text_of(reading.document, reading.raw, "images", split)
        if isinstance(stated, dict)
        else text_of(reading.document, reading.raw, "images")
    )
    if text:
        folder = next((base / text for base in (reading.root, reading.home) if is_folder(base / text)), None)
        if folder is None:
            raise DataError(
                reading.document.place("images"),
                f"the folder '{text}' is not there",
                layout.about_split(reading.root, text, split),
            )
        return folder
    try:
        return layout.images_of_json(place, reading.root, split, coco.first_file_name(place))
    except DataError:
        coco.read_coco(place)  # what is wrong with the file itself is said before
        raise


def _rule(reading: Reading) -> LabelRule:
    stated = reading.raw.get("labels")
    if stated is None:
        return USUAL_RULE
    if stated == "beside":
        return LabelRule("", "")
    before, found, after = (part.strip() for part in str(stated).partition("->"))
    if not found or not before:
        remedy = "Write 'beside', or what of the path becomes what: '/images/ -> /labels/'"
        raise DataError(reading.document.place("labels"), f"labels is {stated!r}, which is no rule", remedy)
    return LabelRule(before, after)
