# SPDX-License-Identifier: Apache-2.0
"""Files as they are now: their digests, and a second name under which they stay so while others replace them."""

from __future__ import annotations

import hashlib
import os
import secrets
from typing import TYPE_CHECKING

from boxwright.paths import open_regular
from boxwright.system.files import TEMPORARY_MARK, fitting, stream_to

if TYPE_CHECKING:
    from pathlib import Path


def digest_of(path: Path, kind: str = "sha256") -> str:
    """The digest of a regular file, in hex. Raises OSError."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with open_regular(path) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def hold_file(source: Path, *, by_link: bool) -> Path:
    """What a file holds now, under a second name beside it that whoever asked removes. Raises OSError, WriteError.

    `by_link`: the file is replaced and never added to, so a link to it is enough where the file system has links.
    """
    held = source.with_name(f".{fitting(source.name)}{TEMPORARY_MARK}{secrets.token_hex(6)}")
    if by_link:
        try:
            os.link(source, held, follow_symlinks=False)
        except FileNotFoundError:
            raise
        except OSError:  # a file system without links
            by_link = False
    if not by_link:
        with open_regular(source) as file:
            stream_to(held, iter(lambda: file.read(1 << 20), b""))
    return held
