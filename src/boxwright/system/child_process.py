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

PACKAGES = str(Path(__file__).parents[2])  # where this package lies, however its parent found it
# The first place that is looked at for packages would be the folder in which the command was given.
_BEGINNING = "import sys; sys.path[0:1] = []; sys.path.append(sys.argv.pop(1)); "


class Child:
    """A process that was started.

    `program` is a line of Python of ours. What its libraries say goes to the file `log`, where that can be written.
    """

    def __init__(self, program: str, arguments: Sequence[str], log: Path) -> None:
        errors = _opened(log)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BEGINNING + program, PACKAGES, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        finally:
            os.close(errors)
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reading = threading.Thread(target=self._read, name="boxwright child", daemon=True)
        self._reading.start()

    def _read(self) -> None:
        out = self._process.stdout
        assert out is not None  # it was asked for
        with out:
            for line in out:
                self._lines.put(line.decode("utf-8", "replace").rstrip("\r\n"))
        self._lines.put(None)

    def heard(self, seconds: float) -> str | None:
        """The next line that it said; '' when it says none for so long, None when it will say no more."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return ""

    def say(self, line: str) -> None:
        """Give it a line. One that is gone does not get it."""
        into = self._process.stdin
        assert into is not None  # it was asked for
        with contextlib.suppress(OSError, ValueError):
            into.write(line.encode() + b"\n")
            into.flush()

    def end(self) -> None:
        """End it and all that it started, whatever they do."""
        with contextlib.suppress(OSError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)  # not reaped yet: the number is still its own
            else:
                self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None  # it was asked for
            self._process.stdin.close()


def _opened(log: Path) -> int:
    """Where errors go: a file, or nowhere when it cannot be written."""
    try:
        return open_to_add(log)
    except (OSError, WriteError):
        return os.open(os.devnull, os.O_WRONLY)
