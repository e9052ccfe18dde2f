# SPDX-License-Identifier: Apache-2.0
"""The cache of an index: numbers and text only, keyed by content, rebuilt without a word whenever anything is in doubt.

It lies beside the labels, or in the user's cache folder where that cannot be written.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import zlib
from dataclasses import asdict
from pathlib import Path

from boxwright.data.findings import Finding
from boxwright.data.index import Index
from boxwright.data.listing import label_file
from boxwright.system.files import WriteError, make_folder, packed_arrays, unpacked_arrays, write_bytes
from boxwright.system.places import cache_folder

VERSION = 1  # of the parser and of this format: raise it when either changes
SUFFIX = ".boxwright.cache"
_MAGIC = b"boxwright index\n"


def content_key(images: list[str], labels: list[str]) -> str:
    """A digest of the list and of every file's size and time of change."""
    digest = hashlib.sha256(f"{VERSION}\n".encode())
    for file in (*images, *labels):
        digest.update(f"{file}\0{_stamp(file)}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stamp(file: str) -> str:
    try:
        found = os.stat(file)  # noqa: PTH116 -- a path object for each of a million files is felt
    except OSError:
        return "-"
    return f"{found.st_size} {found.st_mtime_ns}"


def _places(images: list[str], split: str) -> list[Path]:
    """Where the cache may lie, the preferred place first. Splits may share a folder, so each has a file of its own."""
    folder = Path(label_file(images[0])).parent
    name = hashlib.sha256(str(folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    beside = [folder.with_name(f"{folder.name}.{split}{SUFFIX}")] if folder.is_dir() and _invites_writing(folder.parent) else []
    return [*beside, cache_folder() / "indexes" / f"{name}.{split}{SUFFIX}"]


def _invites_writing(folder: Path) -> bool:
    """Whether a folder is meant to be written to; the mode counts also for those whom it does not stop."""
    return bool(folder.stat().st_mode & stat.S_IWUSR)


def load(images: list[str], split: str, key: str) -> Index | None:
    """The cached index, if there is a whole one for exactly this content."""
    for place in _places(images, split):
        try:
            content = place.read_bytes()
        except OSError:
            continue
        index = _decoded(content, key)
        if index is not None:
            return index
    return None


def store(images: list[str], split: str, key: str, index: Index) -> None:
    """Keep an index where possible; a place that refuses is no trouble."""
    content = _encoded(index, key)
    for place in _places(images, split):
        try:
            make_folder(place.parent)
            write_bytes(place, content)
        except WriteError:
            continue
        return


def _encoded(index: Index, key: str) -> bytes:
    head = {"key": key, "paths": index.paths, "findings": [asdict(finding) for finding in index.findings], "skipped": index.skipped}
    text = zlib.compress(json.dumps(head).encode("utf-8", "surrogateescape"), 1)
    payload = len(text).to_bytes(8, "little") + text + packed_arrays(index.arrays())
    return _MAGIC + hashlib.sha256(payload).digest() + payload


def _decoded(content: bytes, key: str) -> Index | None:
    start = len(_MAGIC) + 32
    payload = content[start:]
    if not content.startswith(_MAGIC) or hashlib.sha256(payload).digest() != content[len(_MAGIC) : start]:
        return None
    length = int.from_bytes(payload[:8], "little")
    head = json.loads(zlib.decompress(payload[8 : 8 + length]).decode("utf-8", "surrogateescape"))
    if head["key"] != key:
        return None
    found = unpacked_arrays(payload[8 + length :])
    return Index(paths=tuple(head["paths"]), findings=tuple(Finding(**item) for item in head["findings"]), skipped=head["skipped"], **found)
