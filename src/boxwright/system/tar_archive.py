# SPDX-License-Identifier: Apache-2.0
"""Tar archives, plain or packed by gzip, bzip2 or xz, read strictly and as a stream.

Plain files and folders, nothing else.

Every length is checked before anything of that length is read, and no list of members is kept.
"""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from boxwright.system.archive_member import CHUNK, MAX_NAME_BYTES, MAX_RATIO, ArchiveError, Member, damaged, too_tight

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

BLOCK = 512
ZEROS = bytes(BLOCK)
FREE_BYTES = 64 << 20  # a stream may become this large however well it is packed: headers of small files pack very well
MAX_PAX_BYTES = 64 << 10
MAX_HEADERS = 8  # in front of one file: longer names and sizes
INPUT = 64 << 10
MANY_STREAMS = 1000  # one behind another in one file; more of them have to hold STREAM_BYTES each, as those of bgzip do
STREAM_BYTES = 16 << 10
XZ_MEMORY = 256 << 20  # xz -9 takes 65 MiB
FILES = frozenset((b"\0", b"0", b"7"))
FOLDER, LONG_NAME, PAX, PAX_FOR_ALL = b"5", b"L", b"x", b"g"
PAX_LINE = re.compile(rb"([1-9][0-9]{0,6}) ([^=\n]+)=")
STEERING = ("path", "size", "linkpath", "hdrcharset")  # keys that change what a header means, and those of sparse files


def is_tar(head: bytes) -> bool:
    """Whether a file that begins like this (512 bytes) is a tar or something that may hold one."""
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")) or head[257:262] == b"ustar" or _sums_up(head)


def tar_members(archive: Path, max_bytes: int) -> Generator[Member]:
    """The files and folders of a tar, in their order. Raises ArchiveError, OSError, zlib.error, lzma.LZMAError."""
    with archive.open("rb") as file:
        stream = _Stream(archive, _unpressed(archive, file), max_bytes)
        while (head := _next(archive, stream)) is not None:
            content = stream.pieces(head.size)
            yield Member(head.name, head.is_folder, 0, content)
            for _ in content:
                continue  # what was not asked for
            stream.take(-head.size % BLOCK)
        while rest := stream.some():
            if rest.count(0) != len(rest):
                raise damaged(archive, "something stands behind its end, as in two archives in one")


# -- headers


@dataclass
class _Head:
    """What is known of the next file while its headers are read. `size` in bytes."""

    name: str = ""
    is_folder: bool = False
    size: int = 0
    stated: dict[str, str] = field(default_factory=dict)


def _next(archive: Path, stream: _Stream) -> _Head | None:
    """The next file or folder, None at the end mark."""
    head = _Head()
    for _ in range(MAX_HEADERS):
        block = stream.take(BLOCK)
        if block == ZEROS:
            if head.stated:
                raise damaged(archive, "a header without its file")
            return None
        if not _sums_up(block):
            raise damaged(archive, "a header is damaged")
        kind, size = block[156:157], _number(archive, block[124:136])
        if kind in {LONG_NAME, PAX, PAX_FOR_ALL}:
            _note(archive, head, kind, _extension(archive, stream, size))
            continue
        return _described(archive, head, block, size)
    raise damaged(archive, f"more than {MAX_HEADERS} headers in front of one file")


def _extension(archive: Path, stream: _Stream, size: int) -> bytes:
    if size > MAX_PAX_BYTES:
        raise ArchiveError(str(archive), f"holds a name or header of {size:,} bytes", "Do not trust this archive")
    content = stream.take(size)
    stream.take(-size % BLOCK)
    return content


def _note(archive: Path, head: _Head, kind: bytes, content: bytes) -> None:
    """Take over a long name, or what a pax header states."""
    if kind == LONG_NAME:
        head.stated["path"] = content.split(b"\0")[0].decode("utf-8")
        return
    for key, value in _pax(archive, content):
        if key.startswith("GNU.sparse"):
            raise _not_plain(archive, "a file with holes")
        if key not in STEERING:
            continue
        if kind == PAX_FOR_ALL:
            raise damaged(archive, f"a header for all files states '{key}'")
        head.stated[key] = value


def _pax(archive: Path, content: bytes) -> Iterator[tuple[str, str]]:
    """The 'LENGTH KEY=VALUE' lines of a pax header."""
    at = 0
    while at < len(content):
        found = PAX_LINE.match(content, at)
        end = at + int(found[1]) if found else 0
        if not found or not found.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise damaged(archive, "a pax header is damaged")
        yield found[2].decode("utf-8"), content[found.end() : end - 1].decode("utf-8")
        at = end


def _described(archive: Path, head: _Head, block: bytes, size: int) -> _Head:
    name, prefix = (part.split(b"\0")[0].decode("utf-8") for part in (block[:100], block[345:500]))
    if block[257:263] == b"ustar\0" and prefix:
        name = f"{prefix}/{name}"
    head.name = head.stated.get("path", name)
    head.size = _decimal(archive, head.stated["size"]) if "size" in head.stated else size
    kind = block[156:157]
    if kind not in {*FILES, FOLDER} or "linkpath" in head.stated:
        raise _not_plain(archive, head.name)
    if len(head.name.encode()) > MAX_NAME_BYTES:
        raise damaged(archive, f"a name of {len(head.name):,} letters")
    head.is_folder = kind == FOLDER or head.name.endswith("/")
    if head.is_folder and head.size:
        raise damaged(archive, f"the folder '{head.name}' has content")
    return head


def _not_plain(archive: Path, name: str) -> ArchiveError:
    return ArchiveError(str(archive), f"holds a link or a device, '{name}'", "Unpack it by hand if you trust it")


def _sums_up(block: bytes) -> bool:
    """Whether a header has the checksum that stands in it; old programs summed signed bytes."""
    stated = re.fullmatch(rb"[ 0]*([0-7]+)[ \0]*", block[148:156])
    if len(block) != BLOCK or not stated:
        return False
    body = block[:148] + b" " * 8 + block[156:]
    number, plain = int(stated[1], 8), sum(body)
    return number == plain or number == plain - 256 * sum(byte > 127 for byte in body)  # noqa: PLR2004 -- signed bytes


def _number(archive: Path, text: bytes) -> int:
    """A size: octal digits, or 0x80 and big-endian bytes."""
    if text[0] == 0x80:  # noqa: PLR2004 -- the mark of GNU tar
        return int.from_bytes(text[1:], "big")
    found = re.fullmatch(rb" *([0-7]*)[ \0]*", text)
    if not found:
        raise damaged(archive, "a size is no number")
    return int(found[1] or b"0", 8)


def _decimal(archive: Path, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,19}", text):
        raise damaged(archive, "a size is no number")
    return int(text)


# -- the stream


class _Stream:
    """Bytes in order from pieces that come as they like, never more of them than is allowed."""

    def __init__(self, archive: Path, source: Iterator[bytes], max_bytes: int) -> None:
        self.archive, self.source, self.left = archive, source, max_bytes
        self._ready = memoryview(b"")

    def some(self, most: int = CHUNK) -> bytes:
        """What is there, at most so many bytes; b'' at the end."""
        while not self._ready:
            piece = next(self.source, None)
            if piece is None:
                return b""
            self.left -= len(piece)
            if self.left < 0:
                raise ArchiveError(
                    str(self.archive), "unpacks to more than is allowed", "Raise --max-gib if you trust it"
                )
            self._ready = memoryview(piece)
        found, self._ready = bytes(self._ready[:most]), self._ready[most:]
        return found

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly so many bytes."""
        while size:
            piece = self.some(min(size, CHUNK))
            if not piece:
                raise damaged(self.archive, "it ends early")
            size -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """Exactly so many bytes at once."""
        return b"".join(self.pieces(size))


def _unpressed(archive: Path, file: BinaryIO) -> Iterator[bytes]:
    """The plain bytes of a file that may be packed, in pieces of at most CHUNK bytes."""
    head = file.read(BLOCK)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        return _unpacked(archive, file, _Gzip)
    if head.startswith(b"BZh"):
        return _unpacked(archive, file, bz2.BZ2Decompressor)
    if head.startswith(b"\xfd7zXZ\0"):
        return _unpacked(archive, file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY))
    return iter(lambda: file.read(CHUNK), b"")


class _Gzip:
    """zlib under the names of its two sisters."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, most)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _unpacked(
    archive: Path, file: BinaryIO, make: Callable[[], _Gzip | bz2.BZ2Decompressor | lzma.LZMADecompressor]
) -> Iterator[bytes]:
    """One packed stream after another, with the ratio of the whole checked."""
    unpacker, streams, given, data = make(), 1, 0, b""
    while True:
        if unpacker.eof:
            data = unpacker.unused_data.lstrip(b"\0") or _beyond_zeros(file)
            if not data:
                return
            unpacker, streams = make(), streams + 1
            if streams > MANY_STREAMS + given // STREAM_BYTES:
                raise damaged(archive, "it consists of too many pieces")
        elif unpacker.needs_input:
            data = file.read(INPUT)
            if not data:
                raise damaged(archive, "it ends early")
        piece, data = unpacker.decompress(data, CHUNK), b""
        given += len(piece)
        if given > FREE_BYTES and given > MAX_RATIO * file.tell():
            raise too_tight(archive, "it")
        if piece:
            yield piece


def _beyond_zeros(file: BinaryIO) -> bytes:
    """The next bytes that are not padding; b'' at the end."""
    while piece := file.read(INPUT):
        if found := piece.lstrip(b"\0"):
            return found
    return b""
