# SPDX-License-Identifier: Apache-2.0
"""A log of one JSON object a line that another process writes, read as it grows: what is new, and nothing twice."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from boxwright.errors import DataError
from boxwright.paths import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = 1 << 20  # bytes read at once
LONGEST_LINE = 1 << 26  # bytes; what is longer is no line of a log
KNOWN = 8  # of the last lines: those that are not whole are cut away, and the ones before are still there


class _State(NamedTuple):
    """Of a file: which one, its length, when it was written."""

    device: int
    number: int
    size: int
    written: int


class LogFollower:
    """The lines of a log, each once, as soon as it is whole.

    A log may be cut back to its whole lines by whoever goes on with it. Then it is read again, and what follows the
    last line that is known is new; where none is known it is another log, and all of it is. `begun` counts these.
    """

    def __init__(self, path: Path, tail_bytes: int | None = None) -> None:
        """`tail_bytes`: how much is read of what is there already; None = all."""
        self.path = path
        self.begun = 0
        self._seen: _State | None = None
        self._at = 0  # bytes up to the end of the last whole line
        self._known: deque[bytes] = deque(maxlen=KNOWN)  # digests of the last lines
        if tail_bytes is not None and (state := self._state()) is not None:
            self._at = max(state.size - tail_bytes, 0)

    def new_lines(self) -> Iterator[bytes]:
        """Whole lines that were not read before. Nothing is opened while nothing was written. Raises DataError."""
        state, before = self._state(), self._seen
        if state is None or state == before:
            return
        self._seen = state
        if before is not None and (state[:2] != before[:2] or state.size < self._at):
            self._at = self._end_of_known()
        for end, line in self._read(self._at):
            self._at = end
            self._known.append(_digest(line))
            yield line

    def _state(self) -> _State | None:
        try:
            found = os.stat(self.path)  # noqa: PTH116 -- as Path.stat
        except OSError:
            return None
        return _State(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def _end_of_known(self) -> int:
        """Where the lines end that are known, in a log that was written anew; 0 in another one."""
        ends = [end for end, line in self._read(0) if _digest(line) in self._known]
        if not ends:
            self._known.clear()
            self.begun += 1
        return max(ends, default=0)

    def _read(self, at: int) -> Iterator[tuple[int, bytes]]:
        """Lines from here on up to the last whole one, each with where it ends."""
        rest = b""
        try:
            with open_regular(self.path) as file:
                file.seek(at)
                while piece := file.read(PIECE):
                    *lines, rest = (rest + piece).split(b"\n")
                    for line in lines:
                        at += len(line) + 1
                        yield at, line
                    if len(rest) > LONGEST_LINE:
                        at, rest = at + len(rest), b""
        except FileNotFoundError:
            return  # it comes back, or its folder is gone
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise DataError(str(self.path), f"cannot be read ({reason})", "Give a run folder") from None


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()
