# SPDX-License-Identifier: Apache-2.0
"""Logs of one JSON object a line, as a full disk, a kill or a loss of power left them.

Whole lines stay, everything else goes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.errors import DataError
from boxwright.paths import read_regular
from boxwright.system.files import write_bytes

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1 << 30  # of a log; that of ten thousand classes in three hundred epochs has half of one


class Lines(NamedTuple):
    """The whole lines of a file with the object that each holds, and how many others there were."""

    whole: list[tuple[str, dict[str, Any]]]
    torn: int


def read_lines(path: Path) -> Lines:
    """Every line that holds a JSON object; a file that is not there or is a folder has none."""
    whole: list[tuple[str, dict[str, Any]]] = []
    torn = 0
    for line in raw_lines(path):
        found = _object(line)
        if found is not None:
            whole.append((line.decode(), found))
        elif line.strip():
            torn += 1
    return Lines(whole, torn)


def raw_lines(path: Path) -> list[bytes]:
    """The lines of a text file, whatever is in them. Only a line feed ends one.

    Raises DataError for a file that cannot be read, and before anything is read of one larger than any log.
    """
    if not path.is_file():
        return []
    try:
        return read_regular(path, MAX_BYTES).split(b"\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(str(path), f"cannot be read ({reason})", "Move it away, or restore the run folder") from None


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # the second for brackets without end
        return None
    return found if isinstance(found, dict) else None


def mend(path: Path) -> str:
    """Cut a log back to its whole lines; what to say about it, '' when nothing was torn. Raises WriteError."""
    lines = read_lines(path)
    if lines.torn:
        write_bytes(path, "".join(f"{line}\n" for line, _ in lines.whole).encode())
    return about(path, lines.torn)


def about(path: Path, torn: int) -> str:
    """What to say about lines that are gone."""
    return (
        f"{path}: {torn} line{'s' * (torn > 1)} {'were' if torn > 1 else 'was'} not whole (a full disk, a kill or a "
        "loss of power) and went"
        if torn
        else ""
    )
