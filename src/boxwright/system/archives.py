# SPDX-License-Identifier: Apache-2.0
"""Unpacking archives that strangers made: plain files and folders only, inside the target only, bounded in number and size."""

from __future__ import annotations

import contextlib
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from boxwright.errors import UserError
from boxwright.system.files import make_folder, stream_to

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

MAX_FILES = 5_000_000
MAX_RATIO = 200  # unpacked to packed bytes of one member of a zip: pictures and text stay far below
RATIO_FROM = 1 << 20  # members below this size may be packed as well as they like
CHUNK = 1 << 20
_LINK = 0o120000
_KIND = 0o170000


class ArchiveError(UserError):
    """An archive that is damaged or wants more than it may."""


def unpack(archive: Path, target: Path, max_bytes: int) -> int:
    """Unpack a zip or tar into a folder; returns the number of files. Raises ArchiveError; the folder is then for the caller to remove."""
    try:
        members = _of_zip(archive) if zipfile.is_zipfile(archive) else _of_tar(archive)
        with contextlib.closing(members):
            return _written(archive, members, target, max_bytes)
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise ArchiveError(str(archive), f"cannot be unpacked ({reason})", "Fetch it again, or unpack it by hand") from None


def _written(archive: Path, members: Iterator[tuple[str, IO[bytes], int]], target: Path, max_bytes: int) -> int:
    count, left = 0, max_bytes
    seen: set[str] = set()
    for name, content, packed in members:
        place = inside(archive, name, target)
        count += 1
        if count > MAX_FILES or str(place).lower() in seen:
            raise ArchiveError(str(archive), f"holds '{name}' twice" if count <= MAX_FILES else f"holds more than {MAX_FILES:,} files", "Unpack it by hand")
        seen.add(str(place).lower())
        make_folder(place.parent)
        left -= stream_to(place, _bounded(archive, name, content, packed, left))
    return count


def inside(archive: Path, name: str, target: Path) -> Path:
    """Where a member goes. Raises ArchiveError for names that lead out of the target or cannot be file names."""
    pure = PurePosixPath(name.replace("\\", "/"))
    odd = pure.is_absolute() or ".." in pure.parts or not pure.parts or any(not part.isprintable() or part.endswith(":") for part in pure.parts)
    if odd or ":" in pure.parts[0]:
        raise ArchiveError(str(archive), f"holds '{name}', which leads out of its folder or is no file name", "Do not trust this archive")
    return target.joinpath(*pure.parts)


def _bounded(archive: Path, name: str, content: IO[bytes], packed: int, left: int) -> Iterator[bytes]:
    total = 0
    while chunk := content.read(CHUNK):
        total += len(chunk)
        if total > left:
            raise ArchiveError(str(archive), "unpacks to more than is allowed", "Raise --max-gib if you trust it")
        if packed and total > RATIO_FROM and total > packed * MAX_RATIO:
            raise ArchiveError(str(archive), f"'{name}' is packed more than {MAX_RATIO} times, as in a bomb", "Do not trust this archive")
        yield chunk


def _of_zip(archive: Path) -> Generator[tuple[str, IO[bytes], int]]:
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            if member.is_dir():
                continue
            if (member.external_attr >> 16) & _KIND == _LINK:
                raise ArchiveError(str(archive), f"holds a link, '{member.filename}'", "Unpack it by hand if you trust it")
            with opened.open(member) as content:
                yield member.filename, content, max(member.compress_size, 1)


def _of_tar(archive: Path) -> Generator[tuple[str, IO[bytes], int]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            if member.isdir():
                continue
            content = opened.extractfile(member) if member.isreg() else None
            if content is None:
                raise ArchiveError(str(archive), f"holds a link or a device, '{member.name}'", "Unpack it by hand if you trust it")
            yield member.name, content, 0
