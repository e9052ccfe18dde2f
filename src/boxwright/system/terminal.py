# SPDX-License-Identifier: Apache-2.0
"""The one door through which text leaves to a terminal, a pipe or a log of a service.

Nothing else in the package prints. Lines are wrapped at words for terminals, and for nothing else.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
import unicodedata
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.errors import printable
from boxwright.system.json_text import json_text
from boxwright.system.places import cursor_moves, told_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import TextIO

USUAL_COLUMNS = 80  # of a terminal that does not say
STDERR = 2  # its descriptor
FEWEST_COLUMNS = 20  # in fewer nothing can be laid out; the terminal wraps by itself
SECOND_CELL = "\0"  # stands for the other half of a wide letter; no text that can be printed has it
FIRST_COLUMN = re.compile(r"\s*\S.*?\s{2,}(?=\S)")
_open_on: list[TextIO] = []  # the terminal with a line that will be drawn again; stdout and stderr share theirs


class Piece(NamedTuple):
    """Text, and what puts the codes of a colour around it once it is escaped."""

    text: str
    coloured: Callable[[str], str] = str


def say(line: str, out: TextIO | None = None, *, whole: bool = False) -> None:
    """Print one line, however many lines somebody's name in it would like to be; on terminals it is wrapped.

    `whole`: it is not.
    """
    out = out or sys.stdout
    clear = writable(line, out.encoding)
    lines = wrapped(clear, width_of(out)) if out.isatty() and not whole else [clear]
    say_pieces([[Piece(part)] for part in lines], out)


class Speaker:
    """Prints lines one by one to where somebody reads along, maybe through a pipe."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def __call__(self, line: str) -> None:
        """Print a line."""
        say(line, self.out)
        self.out.flush()  # whoever reads along waits for it


def say_at_once(line: str) -> None:
    """Write one line to the standard error of a process that is about to be ended, past whatever holds its streams.

    A stream that leads to a user elsewhere has a way of its own for it, `at_once`.
    """
    elsewhere = getattr(sys.stderr, "at_once", None)
    if elsewhere is not None:
        elsewhere(printable(line))
        return
    os.write(2, (printable(line) + "\n").encode(errors="replace"))


def say_pieces(lines: Iterable[Sequence[Piece]], out: TextIO) -> None:
    """Print lines of text in colours, in place of a line that is still open."""
    if out.isatty():
        _clear_open_line()
    for line in lines:
        print(_joined(line, out), file=out, flush=out is sys.stderr)


def draw_over(line: Sequence[Piece], out: TextIO) -> None:
    """Draw a line of a terminal in place of the open one, and leave it open. It must be narrower than the terminal."""
    if _open_on and _open_on[0] is not out:
        _clear_open_line()
    print(f"\r{_joined(line, out)}\x1b[K", end="", file=out, flush=True)
    _open_on[:] = [out]


def finish_open_line(out: TextIO) -> None:
    """Leave the open line of a terminal as it is; what follows goes below it."""
    if _open_on and _open_on[0] is out:
        _open_on.clear()
        print(file=out, flush=True)


def clear_terminal(out: TextIO | None = None) -> None:
    """Begin again at the top of an empty terminal, where the output is one that can; elsewhere lines follow lines."""
    out = out or sys.stdout
    if out.isatty() and cursor_moves():
        print("\x1b[H\x1b[2J", end="", file=out, flush=True)


def _clear_open_line() -> None:
    if _open_on:
        stream = _open_on.pop()
        if not stream.closed:
            print("\r\x1b[K", end="", file=stream, flush=True)


def _joined(line: Sequence[Piece], out: TextIO) -> str:
    return "".join(piece.coloured(writable(piece.text, out.encoding)) for piece in line)


def say_json(document: Any) -> None:
    """Print a document: its text is JSON and nothing but ASCII that can be seen, in whatever encoding."""
    for line in json_text(document, indent=2).split("\n"):
        say(line, whole=True)


@contextlib.contextmanager
def libraries_silenced() -> Iterator[None]:
    """While a library is asked for what it may not have: what it writes to stderr by itself is left out."""
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, STDERR)
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


def writable(line: str, encoding: str | None) -> str:
    """A line as it may be printed.

    What steers a terminal, and what the encoding of the other side lacks, becomes visible escapes.
    """
    clear = printable(line)
    return clear if clear.isascii() or not encoding else clear.encode(encoding, "backslashreplace").decode(encoding)


def width_of(out: TextIO) -> int:
    """Columns of a terminal: what it says itself, else what the environment says, else the usual."""
    try:
        columns = os.get_terminal_size(out.fileno()).columns
    except (OSError, ValueError):  # no file, or not one of a terminal
        columns = 0
    spared = 1 if os.name == "nt" else 0  # a full line makes a console of Windows begin the next one
    return max((columns or told_columns() or USUAL_COLUMNS) - spared, FEWEST_COLUMNS)


def wrapped(line: str, width: int) -> list[str]:
    """A line that can be printed, broken between words into lines of so many columns.

    What follows stands below the second column where the line has two, else a little to the right. A word that is
    longer, such as a path, stays whole, so that it can be copied.
    """
    spaced = line if line.isascii() else "".join(c + SECOND_CELL * (_cells(c) - 1) for c in line)
    if len(spaced) <= width:
        return [line]
    column = FIRST_COLUMN.match(spaced)
    indent = len(spaced) - len(spaced.lstrip()) + 2
    if column is not None and len(column[0]) <= width // 2:
        indent = len(column[0])
    lines = textwrap.wrap(
        spaced,
        width,
        subsequent_indent=" " * min(indent, width // 2),
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [part.replace(SECOND_CELL, "") for part in lines] or [""]


def _cells(letter: str) -> int:
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
