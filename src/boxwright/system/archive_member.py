# SPDX-License-Identifier: Apache-2.0
"""One entry of an archive that a stranger made, as both readers of archives hand it over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 1 << 20
MAX_NAME_BYTES = 1024  # of a whole name with its folders
MAX_RATIO = 200  # unpacked to packed bytes: pictures and text stay far below


class ArchiveError(UserError):
    """An archive that is damaged or wants more than it may."""


@dataclass(frozen=True)
class Member:
    """A file with its content in pieces of at most CHUNK bytes, or a folder. `packed` is 0 where it is not known."""

    name: str
    is_folder: bool
    packed: int
    content: Iterator[bytes]


def damaged(archive: object, what: str) -> ArchiveError:
    """What to say of an archive that contradicts itself or its format."""
    return ArchiveError(str(archive), f"cannot be unpacked ({what})", "Fetch it again, or unpack it by hand")


def too_tight(archive: object, what: str) -> ArchiveError:
    """What to say of an archive that becomes far larger than it is."""
    return ArchiveError(str(archive), f"{what} is packed more than {MAX_RATIO} times, as in a bomb", "Do not trust it")
