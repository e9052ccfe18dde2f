# SPDX-License-Identifier: Apache-2.0
"""The data set YAML: where the splits are and what the classes are called. It is data; nothing in it is ever run."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from boxwright.data.formats import coco, voc
from boxwright.data.labels.class_names import ClassEdits, edited, read_edits, read_names, require_known
from boxwright.data.labels.fault_policy import Policy, read_policy
from boxwright.data.pixels.channels import Kind
from boxwright.data.splits.inferred import open_document
from boxwright.data.splits.listing import in_place
from boxwright.data.splits.reading import Reading, place_of, root_of, source_at, text_of
from boxwright.data.splits.source import Source
from boxwright.documents import Document
from boxwright.errors import DataError, nearest
from boxwright.paths import require_path

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
    absent: dict[str, DataError] = field(default_factory=dict)  # splits that are named, not there and not needed: why

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.names)

    @property
    def lines(self) -> tuple[str, ...]:
        """The notes, and why splits that are named take no part."""
        gone = self.absent.items()
        return (
            *self.notes,
            *(str(DataError(why.where, f"split '{split}' is left out: {why.what}", why.remedy)) for split, why in gone),
        )


def read_dataset(file: Path, *, needed: tuple[str, ...] = ("train", "val"), starts: tuple[Path, ...] = ()) -> Dataset:
    """Read a data set YAML, a COCO JSON or a VOC folder and find its splits. Raises DataError with every path tried.

    Splits that are not `needed` may be somewhere else: they are `absent`. Where none is asked for by name, one has to
    be there. `starts` are further folders that its `path` may be relative to.
    """
    document, home = open_document(file)
    raw = document.mapping()
    if raw.get("sources"):
        return _several(document, raw, home, needed, starts)
    names = read_names(document, raw) if raw.get("names") is not None or _reads_numbers(raw) else ()
    root, tried = root_of(document, raw, home, starts)
    reading = Reading(document, raw, home, root, tried)
    _require_splits(document, raw, needed)
    sources, absent = _splits(reading, names, needed)
    names = names or _found_names(document, sources)
    edits = read_edits(document, raw)
    require_known(document, edits, names)
    sources = {split: tuple(replace(source, edits=(edits,)) for source in found) for split, found in sources.items()}
    return Dataset(
        Path(document.name),
        root,
        sources,
        edited(names, edits),
        (*_notes(document, raw, KNOWN_KEYS), *reading.notes),
        read_policy(document, raw),
        _kind(reading),
        absent,
    )


def _splits(
    reading: Reading, names: tuple[str, ...], needed: tuple[str, ...]
) -> tuple[dict[str, tuple[Source, ...]], dict[str, DataError]]:
    """The sources of every split that is there, and why the others are not. Raises DataError for one that is needed."""
    sources: dict[str, tuple[Source, ...]] = {}
    absent: dict[str, DataError] = {}
    for split in (split for split in SPLITS if reading.raw.get(split)):
        try:
            sources[split] = _split(reading, split, names)
        except DataError as error:
            if split in needed:
                raise
            absent[split] = error
    if absent and not sources:
        raise next(iter(absent.values()))
    return sources, absent


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


def _kind(reading: Reading) -> Kind:
    document, channels, depth = reading.document, reading.raw.get("channels", 3), reading.raw.get("dtype", "uint8")
    if isinstance(channels, bool) or not isinstance(channels, int) or not 1 <= channels <= MAX_CHANNELS:
        raise DataError(
            document.place("channels"), f"channels is {channels!r}", f"Give a whole number from 1 to {MAX_CHANNELS}"
        )
    if depth not in ("uint8", "uint16"):
        raise DataError(document.place("dtype"), f"dtype is {depth!r}", "Give uint8 or uint16")
    return Kind(channels, depth)


# -- several sources


def _several(
    document: Document, raw: dict[str, Any], home: Path, needed: tuple[str, ...], starts: tuple[Path, ...]
) -> Dataset:
    """A YAML that names others, each with class edits and a weight of its own."""
    entries = raw["sources"]
    if not isinstance(entries, list):
        raise DataError(
            document.place("sources"), f"sources are {entries!r}", "Write a list with '- data: FILE' entries"
        )
    read = [_source(document, home, number, entry, starts) for number, entry in enumerate(entries)]
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
    absent = {split: why for part in read for split, why in part.absent.items()}
    if wrong := next((absent[split] for split in needed if split in absent), None):
        raise wrong
    names, policy = edited(wanted, edits), read_policy(document, raw)
    return Dataset(Path(document.name), home, sources, names, notes, policy, kinds.pop(), absent)


def _meant(near: str) -> str:
    return f"Did you mean '{near}'? " if near else ""


def _source(document: Document, home: Path, number: int, entry: Any, starts: tuple[Path, ...]) -> Dataset:
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
    found = read_dataset(file, needed=(), starts=starts)
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


def _split(reading: Reading, split: str, names: tuple[str, ...]) -> tuple[Source, ...]:
    raw = reading.raw[split]
    addresses: list[tuple[str | int, ...]] = (
        [(split, i) for i in range(len(raw))] if isinstance(raw, list) else [(split,)]
    )
    made = [
        source_at(reading, split, place_of(reading, split, text_of(reading.document, reading.raw, *address)), names)
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
