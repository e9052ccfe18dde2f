# SPDX-License-Identifier: Apache-2.0
"""The data set YAML: where the splits are and what the classes are called. It is data; nothing in it is ever run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from boxwright.data.formats import coco, voc
from boxwright.data.labels.class_names import ClassEdits, edited, read_edits, read_names, require_known
from boxwright.data.labels.fault_policy import Policy, read_policy
from boxwright.data.pixels.channels import Kind
from boxwright.data.splits import layout
from boxwright.data.splits.inferred import open_document
from boxwright.data.splits.listing import in_place
from boxwright.data.splits.source import FORMATS, USUAL_RULE, Format, LabelRule, Source
from boxwright.documents import Document
from boxwright.errors import DataError, nearest
from boxwright.paths import is_file, is_folder, is_there, require_path
from boxwright.system.places import data_folder

SPLITS = ("train", "val", "test")
CLASS_KEYS = {"keep", "drop", "merge", "rename"}
KNOWN_KEYS = {
    "path",
    *SPLITS,
    "names",
    "nc",
    "download",
    "format",
    "images",
    "labels",
    "channels",
    "dtype",
    "policy",
    "sources",
    "checksum",
    *CLASS_KEYS,
}
SOURCE_KEYS = {"data", "weight", *CLASS_KEYS}
LOOKED_AT = 50  # unknown keys that are compared with known ones
MAX_CHANNELS = 512  # more than any camera has


@dataclass(frozen=True)
class Dataset:
    """What the YAML says, with every path found."""

    file: Path
    root: Path
    sources: dict[str, tuple[Source, ...]]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    policy: Policy = field(default_factory=Policy)
    kind: Kind = Kind()  # noqa: RUF009 -- a frozen value

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.names)


@dataclass(frozen=True)
class _Reading:
    """A document on its way. `tried` are the folders that `path` could have meant."""

    document: Document
    raw: dict[str, Any]
    home: Path
    root: Path
    tried: list[Path]


def read_dataset(file: Path, *, needed: tuple[str, ...] = ("train", "val")) -> Dataset:
    """Read a data set YAML, a COCO JSON or a VOC folder and find its splits. Raises DataError with every path tried."""
    document, home = open_document(file)
    raw = document.mapping()
    if raw.get("sources"):
        return _several(document, raw, home, needed)
    names = read_names(document, raw) if raw.get("names") is not None or _reads_numbers(raw) else ()
    root, tried = _root(document, raw, home)
    reading = _Reading(document, raw, home, root, tried)
    _require_splits(document, raw, needed)
    sources = {split: _split(reading, split, names) for split in SPLITS if raw.get(split)}
    names = names or _found_names(document, sources)
    edits = read_edits(document, raw)
    require_known(document, edits, names)
    sources = {split: tuple(replace(source, edits=(edits,)) for source in found) for split, found in sources.items()}
    return Dataset(
        Path(document.name),
        root,
        sources,
        edited(names, edits),
        _notes(document, raw, KNOWN_KEYS),
        read_policy(document, raw),
        _kind(reading),
    )


def _reads_numbers(raw: dict[str, Any]) -> bool:
    """Whether any split holds label files with numbers, which mean nothing without names."""
    entries = [
        entry
        for split in SPLITS
        if raw.get(split)
        for entry in (raw[split] if isinstance(raw[split], list) else [raw[split]])
    ]
    return raw.get("format") not in ("coco", "voc") and not (
        entries and all(str(entry).lower().endswith(".json") for entry in entries)
    )


def _notes(document: Document, raw: dict[str, Any], known: set[str]) -> tuple[str, ...]:
    unknown = [key for key in raw if key not in known][:LOOKED_AT]  # the search for a likely key takes its time
    odd = [str(key) for key in unknown if nearest(str(key), known)]
    return tuple(
        f"{document.place(key)}: key '{key}' has no effect; did you mean '{nearest(key, known)}'?" for key in odd
    )


def _require_splits(document: Document, raw: dict[str, Any], needed: tuple[str, ...]) -> None:
    for split in needed:
        if not raw.get(split):
            present = ", ".join(key for key in raw if key in SPLITS) or "none"
            near = nearest(split, [str(key) for key in raw if key not in KNOWN_KEYS][:LOOKED_AT])
            advice = (
                f"Add '{split}:' with a folder of images or a list file (found: {present}), or let "
                "`boxwright "
                "data split` divide it"
            )
            remedy = f"Is '{near}' meant to be it?" if near else advice
            raise DataError(document.name, f"has no key '{split}'", remedy)


def _kind(reading: _Reading) -> Kind:
    document, channels, depth = reading.document, reading.raw.get("channels", 3), reading.raw.get("dtype", "uint8")
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MAX_CHANNELS:
        raise DataError(
            document.place("channels"), f"channels is {channels!r}", f"Give a whole number from 1 to {MAX_CHANNELS}"
        )
    if depth not in ("uint8", "uint16"):
        raise DataError(document.place("dtype"), f"dtype is {depth!r}", "Give uint8 or uint16")
    return Kind(channels, depth)


# -- several sources


def _several(document: Document, raw: dict[str, Any], home: Path, needed: tuple[str, ...]) -> Dataset:
    """A YAML that names others, each with class edits and a weight of its own."""
    entries = raw["sources"]
    if not isinstance(entries, list):
        raise DataError(
            document.place("sources"), f"sources are {entries!r}", "Write a list with '- data: FILE' entries"
        )
    read = [_source(document, home, number, entry) for number, entry in enumerate(entries)]
    wanted = (
        read_names(document, raw)
        if raw.get("names") is not None
        else tuple(dict.fromkeys(name for part in read for name in part.names))
    )
    known = frozenset(wanted)
    for part in read:
        for name in part.names:
            if name not in known:
                near = nearest(name, wanted)
                raise DataError(
                    document.place("names"),
                    f"class '{name}' of {part.file} is not among the names",
                    f"{_meant(near)}Name it under 'drop' or 'rename' there",
                )
    edits = read_edits(document, raw)
    require_known(document, edits, wanted)
    sources = {
        split: tuple(
            replace(source, edits=(*source.edits, edits)) for part in read for source in part.sources.get(split, ())
        )
        for split in SPLITS
    }
    sources = {split: found for split, found in sources.items() if found}
    _require_splits(document, {**raw, **sources}, needed)
    kinds = {part.kind for part in read}
    if len(kinds) > 1:
        stated = " and ".join(f"{kind.channels} channels of {kind.depth}" for kind in sorted(kinds))
        raise DataError(document.place("sources"), f"sources have {stated}", "Name sources of one kind")
    notes = (*_notes(document, raw, KNOWN_KEYS), *(note for part in read for note in part.notes))
    return Dataset(
        Path(document.name), home, sources, edited(wanted, edits), notes, read_policy(document, raw), kinds.pop()
    )


def _meant(near: str) -> str:
    return f"Did you mean '{near}'? " if near else ""


def _source(document: Document, home: Path, number: int, entry: Any) -> Dataset:
    address = ("sources", number)
    stated = {"data": entry} if isinstance(entry, str) else entry
    if not isinstance(stated, dict) or not stated.get("data"):
        raise DataError(
            document.place(*address),
            f"source {number + 1} is {entry!r}",
            "Write '- data: FILE', with weight, keep, drop, merge, rename as needed",
        )
    unknown = next((str(key) for key in stated if key not in SOURCE_KEYS), "")
    if unknown:
        raise DataError(
            document.place(*address, unknown),
            f"a source has no key '{unknown}'",
            f"{_meant(nearest(unknown, SOURCE_KEYS))}Move it into that file",
        )
    weight = stated.get("weight")
    if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float) or not weight > 0):
        raise DataError(document.place(*address, "weight"), f"weight is {weight!r}", "Give a number above 0")
    file = home / require_path(str(stated["data"]), document.place(*address, "data"))
    inner, _ = open_document(file)
    if isinstance(inner.value, dict) and inner.value.get("sources"):
        raise DataError(document.place(*address), f"{file} names sources itself", "Name its sources here")
    found = read_dataset(file, needed=())
    edits = read_edits(document, stated, address)
    require_known(document, edits, found.names)
    return _weighted(found, edits, None if weight is None else float(weight))


def _weighted(found: Dataset, edits: ClassEdits, weight: float | None) -> Dataset:
    sources = {
        split: tuple(
            replace(source, edits=(*source.edits, edits), weight=weight, title=str(found.file)) for source in parts
        )
        for split, parts in found.sources.items()
    }
    return replace(found, sources=sources, names=edited(found.names, edits))


# -- folders


def _root(document: Document, raw: dict[str, Any], home: Path) -> tuple[Path, list[Path]]:
    """The first place that exists: beside the YAML, in the working folder, in the data folder.

    And all that were tried.
    """
    stated = _text(document, raw, "path") or "."
    bases = [home, Path.cwd(), *([folder] if (folder := data_folder()) else [])]
    tried = list(dict.fromkeys((base / stated).resolve() for base in bases))
    found = next((path for path in tried if is_folder(path)), None)
    if found is None:
        remedy = layout.about_download(document, raw) or layout.about_root(home, stated)
        raise DataError(document.place("path"), f"the folder '{stated}' is not there (tried {_listed(tried)})", remedy)
    return found, tried


def _text(document: Document, raw: dict[str, Any], *address: str | int) -> str:
    """A path as it was written. Raises DataError for one that no system has."""
    value: Any = raw
    for key in address:
        value = (
            value.get(key) if isinstance(value, dict) else value[cast("int", key)] if isinstance(value, list) else None
        )
    return require_path(document.texts.get(address, "" if value is None else str(value)), document.place(*address))


def _split(reading: _Reading, split: str, names: tuple[str, ...]) -> tuple[Source, ...]:
    raw = reading.raw[split]
    addresses: list[tuple[str | int, ...]] = (
        [(split, i) for i in range(len(raw))] if isinstance(raw, list) else [(split,)]
    )
    made = [
        _made(reading, split, _found(reading, split, _text(reading.document, reading.raw, *address)), names)
        for address in addresses
    ]
    return (
        *(source for source in made if source.format == "coco"),
        *_as_one([source for source in made if source.format != "coco"]),
    )


def _as_one(sources: list[Source]) -> list[Source]:
    """Folders and lists of one format are read together, so that an image that is named twice counts once."""
    formats = dict.fromkeys(source.format for source in sources)
    groups = [[source for source in sources if source.format == kind] for kind in formats]
    return [replace(group[0], more=tuple(source.place for source in group[1:])) for group in groups]


def _found(reading: _Reading, split: str, text: str) -> Path:
    tried = list(dict.fromkeys(base / text for base in (reading.root, *reading.tried, reading.home)))
    for path in tried:
        if is_there(path):
            return path
    document = reading.document
    remedy = layout.about_download(document, reading.raw) or layout.about_split(reading.root, text, split)
    raise DataError(document.place(split), f"'{text}' of split '{split}' is not there (tried {_listed(tried)})", remedy)


def _listed(paths: list[Path]) -> str:
    return ", ".join(map(str, paths))


def _made(reading: _Reading, split: str, place: Path, names: tuple[str, ...]) -> Source:
    kind = _format(reading, place)
    images = None
    if kind == "coco":
        place = layout.annotations_in(place, reading.document.place(split)) if is_folder(place) else place
        if not is_file(place):
            raise DataError(reading.document.place(split), f"{place} is no file", "Name a COCO instances file")
        images = _images(reading, split, place)
    return Source(kind, place, reading.root, names, images=images, rule=_rule(reading))


def _format(reading: _Reading, place: Path) -> Format:
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


def _images(reading: _Reading, split: str, place: Path) -> Path:
    """Where the file names of a COCO JSON begin.

    As stated, else the first likely place that holds the first of them.
    """
    stated = reading.raw.get("images")
    text = (
        _text(reading.document, reading.raw, "images", split)
        if isinstance(stated, dict)
        else _text(reading.document, reading.raw, "images")
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


def _rule(reading: _Reading) -> LabelRule:
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


def _found_names(document: Document, sources: dict[str, tuple[Source, ...]]) -> tuple[str, ...]:
    """The classes that annotations name.

    Categories in the order of their ids, names in XML files in alphabetical order.
    """
    names: dict[str, None] = {}
    spelt: set[str] = set()
    for source in (one for found in sources.values() for one in found):
        if source.format == "coco":
            names |= dict.fromkeys(coco.read_names(source.place))
        else:
            spelt |= set(voc.class_names(in_place(source), source.label_of))
    found = (*names, *sorted(spelt - set(names)))
    if not found:
        raise DataError(document.name, "its annotations name no class", "Add 'names:', or check the annotations")
    return found
