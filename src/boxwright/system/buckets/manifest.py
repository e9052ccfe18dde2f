# SPDX-License-Identifier: Apache-2.0
"""What a mirror of a run in a bucket consists of: every file with length and digest, and whose it is.

It is written before files are sent, with what will come, and after they have arrived. So at whatever moment a mirror is
cut off, each object is one that the manifest knows: as it was, or as it was to become.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boxwright.system.buckets.address import BucketError, Store, require_key

if TYPE_CHECKING:
    from collections.abc import Collection

MANIFEST = "manifest.json"
FORMAT, VERSION = "boxwright mirror of a run", 1
MAX_BYTES = 16 << 20
MOST_FILES = 20_000
MOST_COMING = 1000  # digests that one file may be about to have
LARGEST_FILE = 1 << 40
_DIGEST = re.compile(r"[0-9a-f]{64}")
_OWNER = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Entry:
    """Content of one object: bytes and SHA-256. `tag` is what the store called it when it had arrived."""

    length: int
    sha256: str
    tag: str = ""

    def same(self, other: Entry | None) -> bool:
        """Whether this is the same content."""
        return other is not None and (self.length, self.sha256) == (other.length, other.sha256)


@dataclass(frozen=True)
class Manifest:
    """`owner` is the run folder that may write here; `coming` holds what objects may have become meanwhile."""

    owner: str
    files: dict[str, Entry] = field(default_factory=dict)
    coming: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether no run is here, only the intention of one: whatever has arrived, nothing can be gone on from."""
        return not self.files

    def expects(self, name: str, found: Entry) -> bool:
        """Whether an object may have this content."""
        known = [*([self.files[name]] if name in self.files else []), *self.coming.get(name, ())]
        return any(found.same(one) for one in known)

    def with_coming(self, more: dict[str, Entry]) -> Manifest:
        """The same, with contents that objects are about to have."""
        coming = dict(self.coming)
        for name, entry in more.items():
            if not any(entry.same(one) for one in coming.get(name, ())):
                coming[name] = (*coming.get(name, ()), entry)[-MOST_COMING:]
        return Manifest(self.owner, self.files, coming)

    def of(self, owner: str) -> Manifest:
        """The same, taken over."""
        return Manifest(owner, self.files, self.coming)

    def without(self, names: Collection[str]) -> Manifest:
        """The same, as if it never had files of these names."""
        files = {name: entry for name, entry in self.files.items() if name not in names}
        return Manifest(self.owner, files, {name: known for name, known in self.coming.items() if name not in names})

    def content(self) -> bytes:
        """As it is written."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "owner": self.owner,
            "files": {name: _words(entry) for name, entry in sorted(self.files.items())},
            "coming": {name: [_words(entry) for entry in entries] for name, entries in sorted(self.coming.items())},
        }
        return json.dumps(document, indent=1).encode() + b"\n"


def read_manifest(store: Store) -> Manifest | None:
    """The manifest of a mirror, None where there is none. Raises BucketError for one that is broken."""
    content = store.read(MANIFEST, MAX_BYTES)
    if content is None:
        return None
    where = f"{store.address}/{MANIFEST}"
    try:
        return _of(json.loads(content), where)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BucketError(where, "is no list of the files of a run", "Choose another place, or remove it") from None


def _of(document: dict[str, Any], where: str) -> Manifest:
    """Raises BucketError for names that lead out, and what `read_manifest` looks for."""
    if document["format"] != FORMAT or not _OWNER.fullmatch(document["owner"]):
        raise ValueError
    if document["version"] != VERSION:
        raise BucketError(where, f"was written in version {str(document['version'])[:20]}", "Use a newer program")
    files = {require_key(name, where): _entry(words) for name, words in document["files"].items()}
    coming = {
        require_key(name, where): tuple(_entry(words) for words in entries[:MOST_COMING])
        for name, entries in document["coming"].items()
    }
    if len(files) + len(coming) > MOST_FILES:
        raise ValueError
    return Manifest(document["owner"], files, coming)


def _words(entry: Entry) -> list[Any]:
    return [entry.length, entry.sha256, entry.tag]


def _entry(words: list[Any]) -> Entry:
    length, sha256, tag = words
    if type(length) is not int or not 0 <= length <= LARGEST_FILE or not _DIGEST.fullmatch(sha256):
        raise ValueError
    if not isinstance(tag, str):
        raise TypeError
    return Entry(length, sha256, tag[:200])
