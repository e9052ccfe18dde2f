# SPDX-License-Identifier: Apache-2.0
"""The one door through which text leaves to a terminal, a pipe or a log of a service.

Nothing else in the package prints.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from boxwright.errors import printable

if TYPE_CHECKING:
    from typing import TextIO


def say(line: str, out: TextIO | None = None, *, over: bool = False, open_end: bool = False) -> None:
    """Print one line, however many lines somebody's name in it would like to be.

    On a terminal `over` the one that was left with an open end.
    """
    out = out or sys.stdout
    print(
        ("\r" if over else "") + writable(line, out.encoding),
        end="" if open_end else "\n",
        file=out,
        flush=over or open_end or out is sys.stderr,
    )


def say_json(document: Any) -> None:
    """Print a document: its text is JSON and nothing but ASCII that can be seen, in whatever encoding."""
    for line in json.dumps(document, indent=2, default=str).replace("\x7f", "\\u007f").split("\n"):
        say(line)


def writable(line: str, encoding: str | None) -> str:
    """A line as it may be printed.

    What steers a terminal, and what the encoding of the other side lacks, becomes visible escapes.
    """
    clear = printable(line)
    return clear if clear.isascii() or not encoding else clear.encode(encoding, "backslashreplace").decode(encoding)
