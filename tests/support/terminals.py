# SPDX-License-Identifier: Apache-2.0
"""Terminals for tests: a pseudo-terminal of some width, and what its screen shows after what was written to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import unicodedata
from dataclasses import dataclass, field

from tests.support.processes import environment

STEP = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n])", re.DOTALL)


@dataclass
class Shown:
    """What a terminal of so many columns shows. `wrapped` counts letters for which it had to begin a line by itself."""

    columns: int
    lines: list[list[str]] = field(default_factory=lambda: [[]])
    at: int = 0
    wrapped: int = 0
    coloured: bool = False

    @classmethod
    def of(cls, written: str, columns: int) -> Shown:
        """What is shown of all that was written. Fails on codes that nothing of ours should send."""
        shown, end = cls(columns), 0
        for step in STEP.finditer(written):
            assert step.start() == end, ascii(written[end : step.start()])
            end = step.end()
            shown._take(step)
        assert end == len(written), ascii(written[end:])
        return shown

    def _take(self, step: re.Match[str]) -> None:
        codes, kind, ending, letter = step.groups()
        if letter is not None:
            self._put(letter)
        elif ending == "\r":
            self.at = 0
        elif ending == "\n":
            self.lines.append([])
            self.at = 0
        elif kind == "K":
            assert codes in {"", "0"}
            del self.lines[-1][self.at :]
        else:
            assert kind == "m", f"a code that is no colour: {codes}{kind}"
            self.coloured = True

    def _put(self, letter: str) -> None:
        cells = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        assert letter.isprintable(), ascii(letter)
        if self.at + cells > self.columns:
            self.lines.append([])
            self.at, self.wrapped = 0, self.wrapped + 1
        line = self.lines[-1]
        line += [" "] * (self.at - len(line))
        line[self.at : self.at + cells] = [letter, *[""] * (cells - 1)]
        self.at += cells

    @property
    def text(self) -> list[str]:
        """The lines, without blanks at their ends."""
        return ["".join(line).rstrip() for line in self.lines]


class PseudoTerminal(contextlib.AbstractContextManager):
    """A terminal with a size. `out` is what a program writes to; `written` is all of it once it was left."""

    def __init__(self, columns: int, encoding: str = "utf-8") -> None:
        self.main, self.side = os.openpty()
        self.resize(columns)
        self.out = open(self.side, "w", encoding=encoding, closefd=False)  # noqa: SIM115 -- a descriptor, closed below
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.written = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # how Linux says that the other side is gone
            while part := os.read(self.main, 1 << 16):
                self._parts.append(part)

    def __exit__(self, *_: object) -> None:
        self.out.close()
        os.close(self.side)
        self._reader.join()
        os.close(self.main)
        self.written = b"".join(self._parts).decode(self.out.encoding)


def run_in(columns: int, *words: str, **variables: str) -> tuple[int, str]:
    """`boxwright WORDS` in a terminal: its exit code and what it wrote."""
    with PseudoTerminal(columns) as terminal:
        inherited = {key: value for key, value in environment().items() if key not in {"NO_COLOR", "COLUMNS"}}
        code = subprocess.run(
            [sys.executable, "-m", "boxwright", *words],
            stdin=terminal.side,
            stdout=terminal.side,
            stderr=terminal.side,
            check=False,
            env={**inherited, "TERM": "xterm-256color", **variables},
        ).returncode
    return code, terminal.written
