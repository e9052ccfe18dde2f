# SPDX-License-Identifier: Apache-2.0
"""The cache of a source's index: numbers and text only, keyed by content, rebuilt without a word whenever anything is in doubt.

It lies beside the labels, or in the user's cache folder where that cannot be written. Paths in it are relative to the data
set's root: a set that was moved as a whole needs no new scan.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zipfile
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from boxwright.data.findings import Finding
from boxwright.data.index import Index
from boxwright.data.source import Source
from boxwright.system.files import WriteError, make_folder, packed_arrays, unpacked_arrays, write_bytes
from boxwright.system.places import cache_folder

VERSION = 3  # of the parsers and of this format: raise it when either changes
SUFFIX = ".boxwright.cache"
NO_STAMPS = np.zeros(0, np.uint64)
_MAGIC = b"boxwright index\n"
_HERE = "\x00"  # stands for the root in a stored path


@dataclass(frozen=True)
class Stored:
    """What is kept. `listed` are all image files of the source, `stamps` (L,) uint64 of each with its annotations, `origin` that of the listing itself."""

    index: Index
    names: tuple[str, ...]
    listed: tuple[str, ...]
    stamps: np.ndarray
    origin: str


def stamp(file: str) -> str:
    """Size and times of a file. The time of the last change of its entry betrays edits that put the other one back."""
    try:
        found = os.stat(file)  # noqa: PTH116 -- a path object for each of a million files is felt
    except OSError:
        return "-"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def stamps_of(files: list[str], source: Source) -> np.ndarray:
    """One number per image for what it and its annotations are now. (L,) uint64"""
    if source.format == "coco":
        shared = stamp(str(source.place))
        texts = (f"{stamp(file)}|{shared}" for file in files)
    else:
        texts = (f"{stamp(file)}|{stamp(source.label_of(file))}" for file in files)
    digests = b"".join(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, "<u8")


def identity(source: Source, split: str, how: tuple[Any, ...]) -> str:
    """A digest of everything but content that a scan depends on; `how` are the settings of the scan."""
    root = str(source.root)
    facts = (
        VERSION,
        split,
        source.format,
        tuple(_short(str(place), root) for place in (source.place, *source.more)),
        source.rule,
        source.names,
        _short(str(source.images), root),
        how,
    )
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogateescape")).hexdigest()


def _places(source: Source, key: str) -> list[Path]:
    """Where the cache may lie, the preferred place first."""
    place = source.place
    folder = place.parent if source.format == "coco" else Path(source.label_of(str(place / "x.jpg" if place.is_dir() else source.root / "images/x.jpg"))).parent
    inviting = folder.is_dir() and _invites_writing(folder.parent)
    beside = [folder.with_name(f"{folder.name}.{key[:8]}{SUFFIX}")] if inviting else []
    return [*beside, cache_folder() / "indexes" / f"{key[:24]}{SUFFIX}"]


def _invites_writing(folder: Path) -> bool:
    """Whether a folder is meant to be written to; the mode counts also for those whom it does not stop."""
    return bool(folder.stat().st_mode & stat.S_IWUSR)


def load(source: Source, key: str) -> Stored | None:
    """What is kept for a source, if it is whole. Whether it still holds is for the caller to see."""
    for place in _places(source, key):
        try:
            content = place.read_bytes()
        except OSError:
            continue
        stored = _decoded(content, key, str(source.root))
        if stored is not None:
            return stored
    return None


def store(source: Source, key: str, stored: Stored) -> None:
    """Keep an index where possible; a place that refuses is no trouble."""
    content = _encoded(stored, key, str(source.root))
    for place in _places(source, key):
        try:
            make_folder(place.parent)
            write_bytes(place, content)
        except WriteError:
            continue
        return


def _short(path: str, root: str) -> str:
    return f"{_HERE}{path[len(root) :]}" if path.startswith(f"{root}/") else path


def _long(path: str, root: str) -> str:
    return f"{root}{path[1:]}" if path.startswith(_HERE) else path


def _encoded(stored: Stored, key: str, root: str) -> bytes:
    head = {
        "key": key,
        "paths": [_short(path, root) for path in stored.index.paths],
        "findings": [{**asdict(finding), "file": _short(finding.file, root)} for finding in stored.index.findings],
        "skipped": stored.index.skipped,
        "names": stored.names,
        "listed": None if stored.listed == stored.index.paths else [_short(path, root) for path in stored.listed],
        "origin": stored.origin,
    }
    text = zlib.compress(json.dumps(head).encode("utf-8", "surrogateescape"), 1)
    payload = len(text).to_bytes(8, "little") + text + packed_arrays({**stored.index.arrays(), "stamps": stored.stamps})
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _decoded(content: bytes, key: str, root: str) -> Stored | None:
    start = len(_MAGIC) + 32
    payload = content[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(payload).digest() != content[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(payload[:8], "little")
    try:
        head = json.loads(zlib.decompress(payload[8 : 8 + length]).decode("utf-8", "surrogateescape"))
        arrays = unpacked_arrays(payload[8 + length :])
    except (ValueError, zlib.error, zipfile.BadZipFile):
        return None
    if head.get("key") != key:
        return None
    stamps = arrays.pop("stamps")
    findings = tuple(Finding(**{**item, "file": _long(item["file"], root)}) for item in head["findings"])
    paths = tuple([_long(path, root) for path in head["paths"]])
    listed = paths if head["listed"] is None else tuple([_long(path, root) for path in head["listed"]])  # usually every file can be used
    index = Index(paths=paths, findings=findings, skipped=head["skipped"], **arrays)
    return Stored(index, tuple(head["names"]), listed, stamps, head["origin"])
