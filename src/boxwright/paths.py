# SPDX-License-Identifier: Apache-2.0
"""Paths that strangers wrote: which of them can be one at all, and what is there."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING

from boxwright.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, as common file systems have it
LOOKED_AT = 2000  # entries of a folder: enough to see what lies there


def why_unusable(path: str) -> str:
    """What keeps a text from being a path, in a few words; '' when nothing does."""
    if "\0" in path:
        return "holds a NUL character, which no path can"
    try:
        content = os.fsencode(path)
    except UnicodeEncodeError:
        return "holds half a surrogate pair, which is no character"
    if len(content) > LONGEST_PATH:
        return f"is {len(content):,} bytes long, and a path has at most {LONGEST_PATH:,}"
    longest = max(map(len, content.split(b"/")))
    return (
        f"has a name of {longest:,} bytes in it, and a name has at most {LONGEST_NAME}"
        if longest > LONGEST_NAME
        else ""
    )


def require_path(text: str, where: str) -> str:
    """The text, when it can be a path. Raises DataError."""
    if why := why_unusable(text):
        raise DataError(where, f"the path '{shortened(text)}' {why}", "Correct the path")
    return text


def shortened(text: str, length: int = 60) -> str:
    """A text for a message, its middle left out when it is long."""
    return text if len(text) <= length else f"{text[: length - 20]}...{text[-17:]}"


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
