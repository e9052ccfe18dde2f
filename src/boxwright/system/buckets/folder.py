# SPDX-License-Identifier: Apache-2.0
"""A folder that is used like a bucket: file://. Objects are written beside their place, flushed and renamed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boxwright.paths import is_folder, open_regular, read_regular
from boxwright.system.buckets.address import Address, AwayError, BucketError, Facts, require_key
from boxwright.system.buckets.held_file import digest_of
from boxwright.system.files import (
    TEMPORARY_MARK,
    WriteError,
    fitting,
    flush_folder,
    make_folder,
    move_new,
    remove,
    rename,
    stream_to,
    sweep_unfinished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 22
STEP_S = 60.0  # within which a file system does one thing, and a megabyte a second on top


def _nobody(_what: str, _seconds: float) -> None:
    """Nobody listens."""


class FolderStore:
    """Objects in a folder. Links below it are not followed."""

    def __init__(self, address: Address) -> None:
        self.address, self.root = address, Path(address.bucket, address.key)
        self.announce: Callable[[str, float], None] = _nobody

    def put(self, name: str, path: Path) -> None:
        try:
            with open_regular(path) as file:
                self._step(f"writing {name}", os.fstat(file.fileno()).st_size)
                self._put(name, _pieces(file))
        except OSError as error:
            raise _away(self.address, name, error) from None

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        self._step(f"writing {name}", len(content))
        return self._put(name, iter((content,)), new=new)

    def _put(self, name: str, pieces: Iterator[bytes], *, new: bool = False) -> bool:
        """Raises BucketError where the bucket itself is not there: a disk that is not mounted is none to write to."""
        place = self._place(name)
        self._require_bucket()
        part = place.with_name(f".{fitting(place.name)}{TEMPORARY_MARK}{secrets.token_hex(6)}")
        try:
            make_folder(place.parent)
            stream_to(part, pieces)
            with open_regular(part) as file:
                os.fsync(file.fileno())
            if new and os.path.lexists(place):
                return False
            (move_new if new else rename)(part, place)
            flush_folder(place.parent)
        except WriteError as error:
            if new and os.path.lexists(place):
                return False
            raise AwayError(f"{self.address}/{name}", error.what, error.remedy) from None
        except OSError as error:
            raise _away(self.address, name, error) from None
        finally:
            with contextlib.suppress(OSError):
                remove(part)
        return True

    def read(self, name: str, most_bytes: int) -> bytes | None:
        self._step(f"reading {name}")
        try:
            return read_regular(self._place(name), most_bytes)
        except FileNotFoundError:
            self._require_bucket()
            return None
        except OSError as error:
            raise _away(self.address, name, error) from None

    def get(self, name: str, target: Path, most_bytes: int) -> str:
        digest = hashlib.sha256()
        try:
            with open_regular(self._place(name)) as file:
                size = os.fstat(file.fileno()).st_size
                self._step(f"fetching {name}", size)
                if size > most_bytes:
                    raise BucketError(f"{self.address}/{name}", f"has {size:,} bytes, over the limit", "Check it")
                stream_to(target, _hashed(_pieces(file), digest.update))
        except FileNotFoundError:
            raise BucketError(f"{self.address}/{name}", "is not there", "Check the address") from None
        except OSError as error:
            raise _away(self.address, name, error) from None
        return digest.hexdigest()

    def digest(self, name: str) -> str:
        try:
            place = self._place(name)
            self._step(f"reading {name}", place.stat().st_size)
            return digest_of(place)
        except OSError as error:
            raise _away(self.address, name, error) from None

    def facts(self, name: str) -> Facts | None:
        self._step(f"looking at {name}")
        place = self._place(name)
        try:
            found = place.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _away(self.address, name, error) from None
        return Facts(found.st_size, f"{found.st_mtime_ns}")

    def names(self, prefix: str = "") -> dict[str, Facts]:
        self._step(f"listing {self.address}")
        self._require_bucket()
        found: dict[str, Facts] = {}
        folders = [self.root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as entries:
                    listed = list(entries)
                for entry in listed:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(folder / entry.name)
                    elif entry.is_file(follow_symlinks=False) and TEMPORARY_MARK not in entry.name:
                        name = (folder / entry.name).relative_to(self.root).as_posix()
                        stat = entry.stat(follow_symlinks=False)
                        if name.startswith(prefix):
                            found[name] = Facts(stat.st_size, f"{stat.st_mtime_ns}")
            except OSError as error:
                if folder == self.root and isinstance(error, FileNotFoundError):
                    return {}
                raise _away(self.address, folder.name, error) from None
        return found

    def copy(self, name: str, other: str) -> None:
        self.put(other, self._place(name))

    def remove(self, name: str) -> None:
        self._step(f"removing {name}")
        try:
            remove(self._place(name))
        except OSError as error:
            raise _away(self.address, name, error) from None

    def sweep(self) -> None:
        self._step(f"clearing {self.address}")
        for place, folders, _ in os.walk(self.root):
            folders[:] = [name for name in folders if TEMPORARY_MARK not in name]
            sweep_unfinished(Path(place))

    def _place(self, name: str) -> Path:
        return self.root / require_key(name, str(self.address))

    def _require_bucket(self) -> None:
        """The folder that stands for the bucket is for the user to make. Raises BucketError."""
        if not is_folder(Path(self.address.bucket)):
            raise BucketError(self.address.root, "there is no such folder", "Make it, or mount what it lies on")

    def _step(self, what: str, size: int = 0) -> None:
        self.announce(what, STEP_S + size / 1e6)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(PIECE), b"")


def _hashed(pieces: Iterator[bytes], update: Callable[[bytes], object]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece


def _away(address: Address, name: str, error: OSError) -> AwayError:
    reason = (error.strerror or str(error)).lower()
    return AwayError(f"{address}/{name}", f"cannot be used ({reason})", "Check the disk behind it")
