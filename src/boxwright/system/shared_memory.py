# SPDX-License-Identifier: Apache-2.0
"""Memory that the processes of a user on a host share: files on a memory file system, held by locks.

Who uses a file holds a shared lock on it, and who leaves last removes it. The system takes the locks of a killed
process back, so that its file is left without one: the next one that asks for the same name goes on with it, and
`sweep_unused` removes those that nobody asks for. A file is removed only under a lock that excludes all others, and who
has waited for a lock looks whether the name still means the same file.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import stat
import weakref
from pathlib import Path

import numpy as np
import psutil

from boxwright.system.device import CACHE_SHARE, free_memory_bytes
from boxwright.system.files import free_disk_bytes, remove
from boxwright.system.places import shared_folder

USUAL_FOLDER = Path("/dev/shm")  # noqa: S108 -- the memory file system of Linux; what we put there is in a folder of our own
MEMORY_FILE_SYSTEM = "tmpfs"
SPARE_BYTES = 16 << 20  # that stay free for other programs
BLOCK_BYTES = 512  # of st_blocks, whatever the file system
PIECE_BYTES = 256 << 20  # taken at once: a signal is heard in between


class NotSharedError(Exception):
    """Why memory cannot be shared, in a few words."""


class SharedMemory:
    """`size` bytes by name, zeros at first. Raises NotSharedError where they cannot be had.

    All of it is taken at once: a write to memory that a full file system cannot give would end the process without a
    word.
    """

    def __init__(self, name: str, size: int) -> None:
        path = _home(make=True) / name
        try:
            descriptor = _held(path, size)
        except (OSError, ValueError) as error:
            raise NotSharedError(_about(path, error)) from None
        self.leave = weakref.finalize(
            self, _leave, descriptor, path, os.getpid()
        )  # at the end of the process at the latest
        try:
            _take(descriptor, size, path.parent)
            self.bytes: np.ndarray = np.frombuffer(
                mmap.mmap(descriptor, size), np.uint8
            )  # (size,) and it may be written to
        except (OSError, ValueError) as error:
            self.leave()
            raise NotSharedError(_about(path, error)) from None
        except BaseException:  # of an interruption, too
            self.leave()
            raise


def sweep_unused() -> list[str]:
    """Remove what nobody holds, and say what it was."""
    swept: list[str] = []
    with contextlib.suppress(OSError, NotSharedError):
        for path in sorted(_home(make=False).iterdir()):
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    if _remove_if_alone(descriptor, path):
                        swept.append(path.name)
                finally:
                    os.close(descriptor)
    return swept


def _about(path: Path, error: OSError | ValueError) -> str:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{path}: {reason.lower()}"


def _home(*, make: bool) -> Path:
    """The folder of this user on the memory file system, closed to others. Raises NotSharedError."""
    named = shared_folder()
    if not hasattr(os, "posix_fallocate") or (named is None and not _is_memory(USUAL_FOLDER)):
        raise NotSharedError(f"this system has no memory file system at {USUAL_FOLDER}")
    home = (named or USUAL_FOLDER) / f"boxwright-{os.getuid()}"
    try:
        if make:
            home.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = home.lstat()
    except OSError as error:
        raise NotSharedError(_about(home, error)) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise NotSharedError(f"{home} is not a folder that this user alone may write to")
    return home


def _is_memory(folder: Path) -> bool:
    try:
        place = str(folder.resolve())
        kinds = [part.fstype for part in psutil.disk_partitions(all=True) if part.mountpoint == place]
    except OSError:
        return False
    return kinds[-1:] == [MEMORY_FILE_SYSTEM]  # the last one mounted hides those below it


def _held(path: Path, size: int) -> int:
    """A descriptor of the file under this name, with a shared lock on it; made when it is not there.

    Raises OSError and ValueError.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            _lock(descriptor, alone=False)
            if _is_at(path, descriptor):  # else it was removed while we waited for the lock
                _grow(descriptor, size)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _grow(descriptor: int, size: int) -> None:
    found = os.fstat(descriptor).st_size
    if found > size:
        raise ValueError("holds something else")
    if found < size:
        os.ftruncate(descriptor, size)


def _take(descriptor: int, size: int, folder: Path) -> None:
    """Take the memory of the whole file; what it holds stays.

    Raises NotSharedError where there is too little, and OSError.
    """
    missing = size - os.fstat(descriptor).st_blocks * BLOCK_BYTES
    if missing > min(_room(folder)):
        sweep_unused()
    on_disk, in_memory = _room(folder)
    if missing > min(on_disk, in_memory):
        where, free = (folder.parent, on_disk) if on_disk < missing else ("memory", in_memory)
        raise NotSharedError(f"{where} has room for {free / 2**20:,.0f} MiB, and {missing / 2**20:,.0f} MiB are needed")
    for begin in range(0, size, PIECE_BYTES):
        os.posix_fallocate(descriptor, begin, min(PIECE_BYTES, size - begin))


def _room(folder: Path) -> tuple[int, int]:
    """Bytes that may be taken: of the file system, and of memory, where a container may grant less."""
    return max(free_disk_bytes(folder) - SPARE_BYTES, 0), int(free_memory_bytes() * CACHE_SHARE)


def _leave(descriptor: int, path: Path, process: int) -> None:
    """Give the lock back; the last one takes the file away. Its memory lives on as long as somebody looks at it."""
    if os.getpid() != process:
        return  # a fork: the lock is its parent's
    with contextlib.suppress(OSError):
        _remove_if_alone(descriptor, path)
    with contextlib.suppress(OSError):
        _unlock(descriptor)  # a map of the file keeps a copy of the descriptor, so that closing would not do
    os.close(descriptor)


def _remove_if_alone(descriptor: int, path: Path) -> bool:
    """Remove the file, unless somebody else holds it; a shared lock of one's own is lost either way."""
    try:
        _lock(descriptor, alone=True)
    except BlockingIOError:
        return False
    if not _is_at(path, descriptor):
        return False
    remove(path)
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether a name still means this file."""
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, *, alone: bool) -> None:
    """Wait for a shared lock, or take a lock for oneself at once. Raises BlockingIOError where others hold it."""
    import fcntl  # noqa: PLC0415 -- not on every system

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB if alone else fcntl.LOCK_SH)


def _unlock(descriptor: int) -> None:
    import fcntl  # noqa: PLC0415 -- likewise

    fcntl.flock(descriptor, fcntl.LOCK_UN)
