# SPDX-License-Identifier: Apache-2.0
"""Python of ours in a process of its own: lines go in, lines come out, and it can be ended at any moment.

It has a session of its own, so that Ctrl-C at the terminal is for its parent alone. When the parent is gone, its lines
end. No shell is used, and no file in the user's folder can stand in for a package that it imports.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.system.files import WriteError, open_to_add

if TYPE_CHECKING:
    from collections.abc import Sequence

# This package is where its parent found it, behind all other places.
_BEGINNING = "import sys; sys.path.append(sys.argv.pop(1)); "
PACKAGES = str(Path(__file__).parents[2])
LONGEST_LINE = 1 << 16  # bytes that are taken for one


def python_of_ours(program: str, arguments: Sequence[str]) -> list[str]:
    """The command that runs a line of Python of ours. No file in the user's folder stands in for a package."""
    return [sys.executable, "-P", "-c", _BEGINNING + program, PACKAGES, *arguments]


class Child:
    """A process that was started. What its libraries say goes to the file `log`, where there is one to be written."""

    def __init__(self, command: Sequence[str], log: Path | None = None) -> None:
        errors = _opened(log)
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        finally:
            os.close(errors)
        assert self._process.stdin is not None  # it was asked for
        os.set_blocking(self._process.stdin.fileno(), False)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, name="boxwright child", daemon=True)
        self._reading.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _read(self) -> None:
        out = self._process.stdout
        assert out is not None  # it was asked for
        with out:
            while line := out.readline(LONGEST_LINE):
                if text := line.decode("utf-8", "replace").rstrip("\r\n"):
                    self._lines.put(text)
        self._lines.put(None)

    def heard(self, seconds: float | None) -> str | None:
        """The next line that it said; '' for none in this time (None: for ever), None when it will say no more."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return ""

    def say(self, line: str) -> None:
        """Give it a line, whole, or not at all: one that is gone or does not read does not get it."""
        into = self._process.stdin
        assert into is not None  # it was asked for
        with contextlib.suppress(OSError, ValueError):
            os.write(into.fileno(), line.encode() + b"\n")

    def end(self) -> None:
        """End it and all that it started, whatever they do; once more changes nothing."""
        if self._process.returncode is not None:
            return
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)  # not reaped yet: the number is still its own
            else:
                self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None  # it was asked for
            self._process.stdin.close()


def _opened(log: Path | None) -> int:
    """Where errors go: a file, or nowhere when there is none that can be written."""
    if log is not None:
        with contextlib.suppress(OSError, WriteError):
            return open_to_add(log)
    return os.open(os.devnull, os.O_WRONLY)
