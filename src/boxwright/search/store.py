# SPDX-License-Identifier: Apache-2.0
"""A place of small files that many processes share: a folder, a folder of a file server, a bucket.

What is asked of it is little, so that all of them can do it: a file that is made once, whole or not at all, by the
first who tries. There are no locks, no times of files, no names that change, and a list of names may be late.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from typing import TYPE_CHECKING, Protocol

from boxwright.errors import BoxwrightError, UserError
from boxwright.system.files import create_bytes, make_folder, read_created, write_bytes, write_error

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 4 << 20  # of a file: what a study writes stays far below this
_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_NAME = re.compile(rf"({_PART}/)?{_PART}")
# What a file server says of a file that went away under its reader: look again later.
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ESTALE}
# No file of ours and never will be one: a link, a folder, a device, too large a file, a broken disk.
_FOREIGN = {errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO, errno.EFBIG, errno.EIO}


class ForeignFileError(UserError):
    """Something bears the name of a file of ours and cannot be one."""


class Store(Protocol):
    """A place of small files. A name is NAME or FOLDER/NAME, of letters, digits, points and strokes.

    `str()` of it is what messages call it. Whatever cannot be written or read at all raises UserError.
    """

    def create(self, name: str, content: bytes) -> bool:
        """Make a file that is not there, whole or not at all, to stay. False when there is one.

        False may also be said of one's own file, when the answer to the first attempt was lost on its way.
        """
        ...

    def put(self, name: str, content: bytes) -> None:
        """Make or replace a file, whole: for signs of life and for what can be made again. The last writer wins."""
        ...

    def read(self, name: str) -> bytes | None:
        """The content; None when it is not there or not to be seen yet. Raises ForeignFileError for what is no file."""
        ...

    def names(self, folder: str) -> list[str]:
        """Names in `FOLDER/`, whole, of strangers' files as well. New ones may be missing for a while."""
        ...


def is_name(name: str) -> bool:
    """Whether a store takes a file of this name."""
    return _NAME.fullmatch(name) is not None


class FolderStore:
    """A folder of any file system, local or of a server, with links or without. Below it no link is followed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __str__(self) -> str:
        return str(self.folder)

    def create(self, name: str, content: bytes) -> bool:
        """Make a file that is not there. Raises UserError."""
        return create_bytes(self._place(name, content), content)

    def put(self, name: str, content: bytes) -> None:
        """Make or replace a file. Raises UserError."""
        write_bytes(self._place(name, content), content, durable=False)

    def read(self, name: str) -> bytes | None:
        """The content; None when it is not there. Raises UserError."""
        _require(name)
        self._look_at(self.folder / name)
        try:
            return read_created(self.folder / name, MAX_BYTES)
        except OSError as error:
            if error.errno in _GONE:
                return None
            if error.errno in _FOREIGN:
                what = f"is no file of a study ({_reason(error)})"
                raise ForeignFileError(str(self.folder / name), what, "Remove it") from None
            raise _unreadable(self.folder / name, error) from None

    def names(self, folder: str) -> list[str]:
        """Names of files in a folder, those of unfinished writes left out. Raises UserError."""
        place = self.folder / folder.rstrip("/")
        self._look_at(place / "any")
        try:
            found = os.listdir(place)  # noqa: PTH208 -- of thousands of names no paths are made
        except OSError as error:
            if error.errno in _GONE:
                return []
            raise _unreadable(place, error) from None
        return [f"{folder}{name}" for name in found if not name.startswith(".")]

    def _place(self, name: str, content: bytes) -> Path:
        """Where a file is to be written, its folder made."""
        _require(name)
        if len(content) > MAX_BYTES:
            raise BoxwrightError(f"{self}/{name}: {len(content):,} bytes are more than a file of a study may have")
        place = self.folder / name
        if not self._look_at(place):
            make_folder(place.parent)
        return place

    def _look_at(self, place: Path) -> bool:
        """Whether the folder of a file is there. Raises UserError for anything else in its place, a link among it."""
        if place.parent == self.folder:
            return os.path.isdir(self.folder)  # noqa: PTH112 -- as it was named by the user, who may follow links
        try:
            mode = place.parent.lstat().st_mode
        except OSError as error:
            if error.errno in _GONE:
                return False
            raise write_error(place.parent, error) from None
        if not stat.S_ISDIR(mode):
            raise UserError(str(place.parent), "is no folder, and a study needs one here", "Remove or rename it")
        return True


def _require(name: str) -> None:
    if not is_name(name):
        raise BoxwrightError(f"'{name}' is no name for a file of a study")


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _unreadable(place: Path, error: OSError) -> UserError:
    return UserError(str(place), f"cannot be read ({_reason(error)})", "Let all who work on the study read it")
