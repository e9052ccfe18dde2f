# SPDX-License-Identifier: Apache-2.0
"""Zip archives, read strictly: what the directory and the local header say has to agree, and nothing lies over another.

Plain and deflated files, ZIP64. The directory is read piece by piece, so that its size costs no memory.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from boxwright.system.archive_member import CHUNK, MAX_NAME_BYTES, ArchiveError, Member, damaged

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

END, END_64, LOCATOR = struct.Struct("<4sHHHHIIH"), struct.Struct("<4sQHHIIQQQQ"), struct.Struct("<4sIQI")
CENTRAL, LOCAL = struct.Struct("<4sHHHHHHIIIHHHHHII"), struct.Struct("<4sHHHHHIIIHH")
MAX_COMMENT = 0xFFFF
IN_EXTRA = 0xFFFFFFFF  # a number that stands in the ZIP64 field instead
ZIP64_FIELD = 1
STORED, DEFLATED = 0, 8
LOCKED, SIZES_LATER, UTF8 = 0x1 | 0x40 | 0x2000, 0x8, 0x800  # bits of the flags
KIND, FILE, FOLDER = 0o170000, 0o100000, 0o040000  # of the mode that Unix wrote


class Directory(NamedTuple):
    """Where the list of entries lies and how many it holds."""

    start: int
    size: int
    entries: int


class Entry(NamedTuple):
    """One row of the list. `raw_name` is as written; `start` is where the local header lies."""

    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    start: int
    mode: int


def zip_members(archive: Path, max_members: int) -> Generator[Member]:
    """The entries of a zip, in the order of its list. Raises ArchiveError, OSError, zlib.error."""
    with archive.open("rb") as listing, archive.open("rb") as file:
        directory = _directory(archive, file)
        if directory.entries > max_members:
            raise ArchiveError(str(archive), f"holds more than {max_members:,} files", "Unpack it by hand")
        listing.seek(directory.start)
        taken = 0
        for _ in range(directory.entries):
            entry = _entry(archive, listing)
            taken += LOCAL.size + len(entry.raw_name) + entry.packed
            if taken > directory.start:
                raise damaged(archive, "files lie over each other")
            yield _member(archive, file, entry, directory)
        if listing.tell() != directory.start + directory.size:
            raise damaged(archive, "its list is longer or shorter than it says")


def _directory(archive: Path, file: BinaryIO) -> Directory:
    """The list that ends where the end record begins; the end record has to end the file."""
    size = file.seek(0, 2)
    at = max(0, size - END.size - MAX_COMMENT)
    file.seek(at)
    tail = file.read(END.size + MAX_COMMENT)
    found = len(tail)
    while (found := tail.rfind(b"PK\5\6", 0, found)) >= 0:
        record = END.unpack_from(tail, found) if len(tail) - found >= END.size else None
        if record is not None and found + END.size + record[7] == len(tail):
            return _checked(archive, file, record, at + found)
    raise damaged(archive, "the list at its end is missing, or something stands behind it")


def _checked(archive: Path, file: BinaryIO, record: tuple[int, ...], end: int) -> Directory:
    _, disk, first_disk, here, count, size, start, _ = record
    file.seek(max(0, end - LOCATOR.size))
    locator = file.read(LOCATOR.size)
    if locator.startswith(b"PK\6\7") and len(locator) == LOCATOR.size:
        _, _, place, disks = LOCATOR.unpack(locator)
        file.seek(place)
        wide = file.read(END_64.size)
        if len(wide) != END_64.size or not wide.startswith(b"PK\6\6") or disks > 1:
            raise damaged(archive, "its ZIP64 record is missing")
        _, length, _, _, disk, first_disk, here, count, size, start = END_64.unpack(wide)
        if place + 12 + length != end - LOCATOR.size:
            raise damaged(archive, "its ZIP64 record has a wrong length")
        end = place
    if disk or first_disk or here != count:
        raise damaged(archive, "it is one of several parts")
    if start + size != end or size < count * CENTRAL.size:
        raise damaged(archive, "its list is not where it says")
    return Directory(start, size, count)


def _entry(archive: Path, listing: BinaryIO) -> Entry:
    row = _take(archive, listing, CENTRAL.size)
    if not row.startswith(b"PK\1\2"):
        raise damaged(archive, "its list holds something else")
    _, _, _, flags, method, _, _, crc, packed, size, long, extra, comment, _, _, mode, start = CENTRAL.unpack(row)
    if not 0 < long <= MAX_NAME_BYTES:
        raise damaged(archive, f"a name of {long:,} bytes")
    name = _take(archive, listing, long)
    size, packed, start = _widened(archive, _take(archive, listing, extra), (size, packed, start))
    _take(archive, listing, comment)
    return Entry(name, flags, method, crc, packed, size, start, mode >> 16)


def _widened(archive: Path, extra: bytes, numbers: tuple[int, ...]) -> tuple[int, ...]:
    """The numbers with those that stand in the ZIP64 field put in."""
    if IN_EXTRA not in numbers:
        return numbers
    while len(extra) >= struct.calcsize("<HH"):
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == ZIP64_FIELD and len(field) >= 8 * numbers.count(IN_EXTRA):
            wide = iter(struct.unpack_from(f"<{numbers.count(IN_EXTRA)}Q", field))
            return tuple(next(wide) if number == IN_EXTRA else number for number in numbers)
    raise damaged(archive, "a size is missing")


def _member(archive: Path, file: BinaryIO, entry: Entry, directory: Directory) -> Member:
    name = entry.raw_name.decode("utf-8" if entry.flags & UTF8 else "cp437")
    if entry.mode & KIND not in {0, FILE, FOLDER}:
        raise ArchiveError(str(archive), f"holds a link or a device, '{name}'", "Unpack it by hand if you trust it")
    if entry.flags & LOCKED:
        raise ArchiveError(str(archive), f"'{name}' is locked with a password", "Unpack it by hand")
    if entry.method not in {STORED, DEFLATED}:
        raise ArchiveError(str(archive), f"'{name}' is packed in a way that is not read here", "Unpack it by hand")
    start = _content_start(archive, file, entry)
    if start + entry.packed > directory.start or (entry.method == STORED and entry.packed != entry.size):
        raise damaged(archive, f"'{name}' has a wrong size")
    is_folder = name.endswith(("/", "\\")) or entry.mode & KIND == FOLDER
    if is_folder and entry.size:
        raise damaged(archive, f"the folder '{name}' has content")
    return Member(name, is_folder, max(entry.packed, 1), _content(archive, file, entry, start))


def _content_start(archive: Path, file: BinaryIO, entry: Entry) -> int:
    """Where the content begins, after the local header, which has to say what the list says."""
    file.seek(entry.start)
    row = _take(archive, file, LOCAL.size)
    head, _, flags, method, _, _, crc, packed, size, long, extra_length = LOCAL.unpack(row)
    name, extra = _take(archive, file, long), _take(archive, file, extra_length)
    later = flags & SIZES_LATER and (crc, packed, size) in {(0, 0, 0), (0, IN_EXTRA, IN_EXTRA)}
    if not later:
        size, packed = _widened(archive, extra, (size, packed))
    agree = (name, method, flags & LOCKED) == (entry.raw_name, entry.method, entry.flags & LOCKED)
    if head != b"PK\3\4" or not agree or not (later or (crc, packed, size) == (entry.crc, entry.packed, entry.size)):
        raise damaged(archive, "a file is described in two ways")
    return file.tell()


def _content(archive: Path, file: BinaryIO, entry: Entry, start: int) -> Iterator[bytes]:
    """The content in pieces, its length and checksum compared at the end."""
    file.seek(start)
    pieces = (
        _inflated(archive, file, entry.packed) if entry.method == DEFLATED else _stored(archive, file, entry.packed)
    )
    crc = done = 0
    for piece in pieces:
        done, crc = done + len(piece), zlib.crc32(piece, crc)
        if done > entry.size:
            break
        yield piece
    if done != entry.size or crc != entry.crc:
        raise damaged(archive, "a file has another size or checksum than the list says")


def _stored(archive: Path, file: BinaryIO, left: int) -> Iterator[bytes]:
    while left:
        piece = _take(archive, file, min(left, CHUNK))
        left -= len(piece)
        yield piece


def _inflated(archive: Path, file: BinaryIO, left: int) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in _stored(archive, file, left):
        waiting = piece
        while waiting and not unpacker.eof:
            yield unpacker.decompress(waiting, CHUNK)
            waiting = unpacker.unconsumed_tail
        if waiting or unpacker.unused_data:
            raise damaged(archive, "something stands behind the content of a file")
    while not unpacker.eof and (rest := unpacker.decompress(unpacker.unconsumed_tail, CHUNK)):
        yield rest
    if not unpacker.eof:
        raise damaged(archive, "a file ends early")


def _take(archive: Path, file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise damaged(archive, "it ends early")
    return found
