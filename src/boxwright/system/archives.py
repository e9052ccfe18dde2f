# SPDX-License-Identifier: Apache-2.0
"""Unpacking archives that strangers made.

Plain files of the kinds that were asked for, inside the target only, bounded.

Bounded are the number of files and folders, the bytes, how much larger they are than the archive, and names. What a
file is called decides whether it is written; nothing is written over.
"""

from __future__ import annotations

import contextlib
import hashlib
import lzma
import os
import unicodedata
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxwright.system.archive_member import (
    CHUNK,
    MAX_NAME_BYTES,
    MAX_RATIO,
    ArchiveError,
    Member,
    damaged,
    too_tight,
)
from boxwright.system.files import make_folder, stream_to
from boxwright.system.tar_archive import is_tar, tar_members
from boxwright.system.zip_archive import zip_members

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

MAX_MEMBERS = 1_000_000  # files and folders: COCO has a quarter of that, with its labels
MAX_PART_BYTES = 255  # of the name of one file or folder: what file systems take
MAX_DEPTH = 32
MEMBER_FREE_BYTES = 1 << 20  # files below this size may be packed as well as they like
FREE_BYTES = 64 << 20  # and all of them together below this one
SHOWN_SUFFIXES, MAX_SHOWN, MAX_KINDS = 4, 12, 100
__all__ = ["CHUNK", "ArchiveError", "Unpacked", "unpack"]


@dataclass
class Unpacked:
    """How many files were written, and how many were left out for what they are, by suffix."""

    files: int = 0
    left_out: Counter[str] = field(default_factory=Counter)

    def leave_out(self, kind: str) -> None:
        """Count one that was not written."""
        by_itself = kind and len(kind) <= MAX_SHOWN and (kind in self.left_out or len(self.left_out) < MAX_KINDS)
        self.left_out[kind if by_itself else "others"] += 1

    def about_left_out(self) -> str:
        """One sentence about what was not written, '' when everything was."""
        if not self.left_out:
            return ""
        kinds = [f"{count:,} {suffix}" for suffix, count in self.left_out.most_common(SHOWN_SUFFIXES)]
        more = ", ..." if len(self.left_out) > len(kinds) else ""
        return (
            f"{self.left_out.total():,} files were left out, which are no pictures, labels or "
            "lists "
            f"({', '.join(kinds)}{more})"
        )


def unpack(archive: Path, target: Path, max_bytes: int, suffixes: frozenset[str]) -> Unpacked:
    """Write the files of a zip or tar that have one of these suffixes into an empty folder.

    Raises ArchiveError; the folder is then for the caller to remove.
    """
    writing = _Writing(archive, target, max_bytes, suffixes)
    try:
        with contextlib.closing(_members(archive, max_bytes)) as members:
            for member in members:
                writing.add(member)
    except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise damaged(archive, " ".join(str(error).split())[:120] or type(error).__name__) from None
    return writing.done


def _members(archive: Path, max_bytes: int) -> Generator[Member]:
    """What the first bytes say decides what is read: nothing is an archive of two kinds."""
    with archive.open("rb") as file:
        head = file.read(512)
    if head.startswith((b"PK\3\4", b"PK\5\6")):
        return zip_members(archive, MAX_MEMBERS)
    if is_tar(head):
        return tar_members(archive, max_bytes)
    raise damaged(archive, "it is no zip and no tar, plain or packed by gzip, bzip2 or xz")


class _Writing:
    """An archive that is being unpacked: what was written, and which names are taken."""

    def __init__(self, archive: Path, target: Path, max_bytes: int, suffixes: frozenset[str]) -> None:
        self.archive, self.target, self.suffixes = archive, target, suffixes
        self.done = Unpacked()
        self._left, self._max_bytes, self._size = max_bytes, max_bytes, archive.stat().st_size
        self._seen = 0
        self._taken: dict[bytes, bool] = {}  # of digests of names: whether it is a folder

    def add(self, member: Member) -> None:
        """Write one member, or leave it out. Raises ArchiveError."""
        self._seen += 1
        if max(self._seen, len(self._taken)) > MAX_MEMBERS:
            raise ArchiveError(str(self.archive), f"holds more than {MAX_MEMBERS:,} files", "Unpack it by hand")
        parts = _parts(self.archive, member)
        if not parts or member.is_folder:
            return
        suffix = os.path.splitext(parts[-1])[1].lower()  # noqa: PTH122 -- faster than Path, and asked of every file
        if suffix not in self.suffixes or any(part.startswith(".") for part in parts):
            self.done.leave_out("hidden" if suffix in self.suffixes else suffix)
            return
        for depth in range(1, len(parts)):
            self._take(parts[:depth], folder=True)
        self._take(parts, folder=False)
        place = self.target.joinpath(*parts)
        make_folder(place.parent)
        self._left -= stream_to(place, self._bounded(member))
        self.done.files += 1

    def _take(self, parts: tuple[str, ...], *, folder: bool) -> None:
        """Note a name as some file systems see it: without the case of letters, accents joined to their letters."""
        name = unicodedata.normalize("NFC", unicodedata.normalize("NFD", "/".join(parts)).casefold())
        digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
        both_folders = folder and self._taken.get(digest, True)
        if digest in self._taken and not both_folders:
            raise ArchiveError(str(self.archive), f"holds '{'/'.join(parts)}' twice", "Unpack it by hand")
        self._taken[digest] = folder

    def _bounded(self, member: Member) -> Iterator[bytes]:
        total = 0
        for chunk in member.content:
            total += len(chunk)
            if total > self._left:
                raise ArchiveError(
                    str(self.archive), "unpacks to more than is allowed", "Raise --max-gib if you trust it"
                )
            if member.packed and total > MEMBER_FREE_BYTES and total > member.packed * MAX_RATIO:
                raise too_tight(self.archive, f"'{member.name}'")
            whole = self._max_bytes - self._left + total
            if whole > FREE_BYTES and whole > self._size * MAX_RATIO:
                raise too_tight(self.archive, "it")
            yield chunk


def _parts(archive: Path, member: Member) -> tuple[str, ...]:
    """The folders and the name of a member. Raises ArchiveError for names that lead out or cannot be file names."""
    name = member.name.replace("\\", "/")
    parts = tuple(part for part in name.split("/") if part not in {"", "."})
    odd = name.startswith("/") or len(parts) > MAX_DEPTH or len(name.encode()) > MAX_NAME_BYTES
    if odd or not all(map(_is_name, parts)) or (not parts and not member.is_folder):
        shown = f"{member.name[:60]}..." if len(member.name) > MAX_PART_BYTES else member.name
        what = f"holds '{shown}', which leads out of its folder or is no file name"
        raise ArchiveError(str(archive), what, "Do not trust this archive")
    return parts


def _is_name(part: str) -> bool:
    """Whether this is the name of a file on every system: '..', 'C:' and the like are none."""
    is_drive = part[1:2] == ":"
    return (
        part.isprintable()
        and not is_drive
        and not part.endswith((".", " ", ":"))
        and len(part.encode()) <= MAX_PART_BYTES
    )
