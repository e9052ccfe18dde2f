# SPDX-License-Identifier: Apache-2.0
"""The cache of a source's index: where it lies, what is looked at before anything of it is believed.

It lies beside the labels, or in the user's cache folder where that cannot be written. Paths in it are relative to the
data set's root: a set that was moved as a whole needs no new scan. What counts are the stamps in it: they hold the time
at which the system last changed the entry of each file, which nobody can know who made the cache on another machine.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from boxwright.data.index import index_file
from boxwright.data.index.index_file import DamagedError, Head, Stored
from boxwright.data.labels.findings import Finding
from boxwright.data.splits.source import Source
from boxwright.paths import is_folder
from boxwright.system.files import WriteError, make_folder, write_bytes
from boxwright.system.places import cache_folder

VERSION = 4  # of the parsers and of the format: raise it when either changes
SUFFIX = ".boxwright.cache"
# What a cache may hold for an image, and for each byte of annotations: a row of ten becomes an object of 36, and one
# that cannot be read a finding.
ROOM, ROOM_OF_IMAGE, ROOM_OF_BYTE = 1 << 20, 1 << 14, 1 << 9


class Look(NamedTuple):
    """What image files and their annotations are now.

    One number each, (L,) uint64, and how large an index of them can be.
    """

    stamps: np.ndarray
    most_bytes: int


NO_LOOK = Look(np.zeros(0, np.uint64), 0)


def stamp(file: str) -> str:
    """Size and times of a file. The time of the last change of its entry betrays edits that put the other one back."""
    try:
        found = os.stat(file)  # noqa: PTH116 -- a path object for each of a million files is felt
    except (OSError, ValueError):  # ValueError: what no path can be
        return "-"
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"


def look(files: list[str], source: Source) -> Look:
    """What images and their annotations are now."""
    if source.format == "coco":
        labels = [stamp(str(source.place))]
        texts = [f"{stamp(file)}|{labels[0]}" for file in files]
    else:
        labels = [stamp(source.label_of(file)) for file in files]
        texts = [f"{stamp(file)}|{label}" for file, label in zip(files, labels, strict=True)]
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest() for text in texts
    )
    return Look(np.frombuffer(digests, "<u8"), most_bytes(len(files), labels))


def most_bytes(images: int, labels: list[str]) -> int:
    """How large an index of so many images can be, by the stamps of their annotations."""
    return (
        ROOM
        + ROOM_OF_IMAGE * images
        + ROOM_OF_BYTE * sum(int(label.partition(" ")[0]) for label in labels if label != "-")
    )


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
    return hashlib.sha256(repr(facts).encode("utf-8", "surrogatepass")).hexdigest()


def _short(path: str, root: str) -> str:
    return f"\x00{path[len(root) :]}" if path.startswith(f"{root}/") else path


def _places(source: Source, key: str) -> list[Path]:
    """Where the cache may lie, the preferred place first."""
    place = source.place
    folder = (
        place.parent
        if source.format == "coco"
        else Path(source.label_of(str(place / "x.jpg" if is_folder(place) else source.root / "images/x.jpg"))).parent
    )
    inviting = folder != folder.parent and is_folder(folder) and _invites_writing(folder.parent)
    beside = [folder.with_name(f"{folder.name}.{key[:8]}{SUFFIX}")] if inviting else []
    return [*beside, cache_folder() / "indexes" / f"{key[:24]}{SUFFIX}"]


def _invites_writing(folder: Path) -> bool:
    """Whether a folder is meant to be written to; the mode counts also for those whom it does not stop."""
    return bool(folder.stat().st_mode & stat.S_IWUSR)


@dataclass
class Cache:
    """A cache file that was found, or none. `findings` say what is wrong with those that were, one line each."""

    root: str = ""
    path: Path | None = None
    head: Head | None = None
    stamps: np.ndarray = field(default_factory=lambda: NO_LOOK.stamps)  # (L,) as the file says
    findings: list[Finding] = field(default_factory=list)

    @property
    def there(self) -> bool:
        """Whether there is one."""
        return self.head is not None

    @property
    def origin(self) -> str:
        """The stamp of what the images were listed from."""
        return "" if self.head is None else self.head.origin

    def whole(self, most_bytes: int | None) -> Stored | None:
        """All of it, checked; None when it cannot be used. Of a file larger than `most_bytes` nothing is read."""
        if self.path is None or self.head is None:
            return None
        try:
            return index_file.read(self.path, self.head, self.root, most_bytes)
        except DamagedError as error:
            self._leave(str(error))
            return None

    def open_at(self, path: Path, key: str) -> bool:
        """Look at the beginning of a file; True when it is a cache of this key."""
        try:
            head, stamps = index_file.read_head(path)
        except FileNotFoundError:
            return False
        except DamagedError as error:
            self.path = path
            self._leave(str(error))
            return False
        if head.key != key:
            self.path = path
            self._leave("it is that of something else")
            return False
        self.path, self.head, self.stamps = path, head, stamps
        return True

    def _leave(self, why: str) -> None:
        text = f"cannot be used as a cache of the index ({why})"
        self.findings.append(
            Finding(str(self.path), None, "cache", "note", text, "made anew", "Nothing has to be done")
        )
        self.path, self.head = None, None


NOWHERE = Cache()


def find(source: Source, key: str) -> Cache:
    """The cache of a source, if there is one. Whether it still holds is for the caller to see."""
    cache = Cache(str(source.root))
    for place in _places(source, key):
        if cache.open_at(place, key):
            break
    return cache


def store(source: Source, key: str, stored: Stored) -> None:
    """Keep an index where possible; a place that refuses is no trouble."""
    content = index_file.packed(stored, key, str(source.root))
    if content is None:
        return
    for place in _places(source, key):
        try:
            make_folder(place.parent)
            write_bytes(place, content)
        except WriteError:
            continue
        return
