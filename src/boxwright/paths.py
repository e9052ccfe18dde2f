# SPDX-License-Identifier: Apache-2.0
"""Paths that strangers wrote: which of them can be one at all, what is there, and how it is opened.

Opened are regular files alone: no device, pipe or socket, and never more than a stated number of bytes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

from boxwright.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, as common file systems have it
LOOKED_AT = 2000  # entries of a folder: enough to see what lies there

# A pipe is opened without waiting for a writer and a terminal without making it ours; what a system lacks is left out.
_READING = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
_PIECE = 1 << 24  # bytes read at once of a file that does not say how long it is


def why_unusable(path: str) -> str:
    """What keeps a text from being a path, in a few words; '' when nothing does."""
    if why := why_no_text(path):
        return why
    content = os.fsencode(path)
    if len(content) > LONGEST_PATH:
        return f"is {len(content):,} bytes long, and a path has at most {LONGEST_PATH:,}"
    longest = max(map(len, content.split(b"/")))
    return (
        f"has a name of {longest:,} bytes in it, and a name has at most {LONGEST_NAME}"
        if longest > LONGEST_NAME
        else ""
    )


def why_no_text(text: str) -> str:
    """What keeps a word from being passed to the system, in a few words; '' when nothing does."""
    if "\0" in text:
        return "holds a NUL character, which no path can"
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return "holds half a surrogate pair, which is no character"
    return ""


def require_path(text: str, where: str) -> str:
    """The text, when it can be a path. Raises DataError."""
    if why := why_unusable(text):
        raise DataError(where, f"the path '{shortened(text)}' {why}", "Correct the path")
    return text


def shortened(text: str, length: int = 60) -> str:
    """A text for a message, its middle left out when it is long."""
    return text if len(text) <= length else f"{text[: length - 20]}...{text[-17:]}"


def absolute(path: str) -> str:
    """A path from the root on, as it was written otherwise: links on the way are not followed."""
    whole = os.path.abspath(path)  # noqa: PTH100 -- without '..', which Path leaves in
    straight = os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118 -- with it, as the system goes
    same = not os.path.exists(straight) or (os.path.exists(whole) and os.path.samefile(whole, straight))  # noqa: PTH110, PTH121
    return whole if same else straight  # behind a link, '..' leads elsewhere


def moved_along(path: str, was: str, now: str) -> str:
    """Where a path lies that was moved together with a folder, which `was` there and is here `now`."""
    return os.path.normpath(os.path.join(now, os.path.relpath(path, was)))  # noqa: PTH118 -- texts


# As those of Path, which raise where a folder on the way may not be entered or a name is too long.


def is_there(path: Path) -> bool:
    """Whether something is there that we can see."""
    return os.path.exists(path)  # noqa: PTH110 -- see above


def is_folder(path: Path) -> bool:
    """Whether a folder is there that we can see."""
    return os.path.isdir(path)  # noqa: PTH112 -- see above


def is_file(path: Path) -> bool:
    """Whether a regular file is there that we can see."""
    return os.path.isfile(path)  # noqa: PTH113 -- see above


def entries_of(folder: Path) -> list[Path]:
    """Some of what lies in a folder; nothing when there is no folder that can be read."""
    try:
        with os.scandir(folder) as entries:
            return [folder / entry.name for entry in islice(entries, LOOKED_AT)]
    except (OSError, ValueError):
        return []


# -- opening


@contextlib.contextmanager
def opened_regular(path: str | Path, *, follow_links: bool = True) -> Iterator[tuple[int, int]]:
    """A descriptor for reading and the size in bytes of a regular file.

    Raises OSError: for devices, pipes, sockets and folders as well.
    """
    with open_regular(path, follow_links=follow_links) as file:
        yield file.fileno(), os.fstat(file.fileno()).st_size


def open_regular(path: str | Path, *, follow_links: bool = True) -> BinaryIO:
    """A regular file, open for reading. Raises OSError: for devices, pipes, sockets and folders as well."""
    try:
        descriptor = os.open(path, _READING if follow_links else _READING | _NO_LINKS)
    except ValueError as error:  # a NUL in the name
        raise OSError(errno.EINVAL, f"not a name that a file can have ({error})", str(path)) from None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb", buffering=0)
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "not a regular file but a device, a pipe or a socket", str(path))


def read_regular(path: str | Path, most_bytes: int, *, follow_links: bool = True) -> bytes:
    """The content of a regular file. Raises OSError, for one of more than `most_bytes` as well."""
    with opened_regular(path, follow_links=follow_links) as (descriptor, size):
        pieces: list[bytes] = []
        room = most_bytes + 1
        if size < room:
            while room and (piece := os.read(descriptor, min(room, size + 1 if not pieces else _PIECE))):
                pieces.append(piece)
                room -= len(piece)
        if size > most_bytes or not room:
            raise OSError(errno.EFBIG, f"larger than {_in_words(most_bytes)}", str(path))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _in_words(count: int) -> str:
    return (
        f"{count >> 30} GiB" if count >= 1 << 30 else f"{count >> 20} MiB" if count >= 1 << 20 else f"{count:,} bytes"
    )
