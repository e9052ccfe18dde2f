# SPDX-License-Identifier: Apache-2.0
"""A process of its own beside a training, for work that may wait for a network: the training never does.

Lines of JSON go there without waiting and come back in a thread. One that says by when it will be heard of again ("by",
in seconds), and is not, hangs: it is ended and started anew, as one that died is, until it says that it is over
("over"). It ends by itself when this process is gone.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GRACE_S = 5.0  # beyond the time that it states itself
START_S = 60.0  # to start and say the first word
MOST_RESTARTS = 20  # of a process that never does anything
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before another start
MAX_LINE = 1 << 16
PIECE = 1 << 14
# The package is where its parent found it, behind all other places.
_BEGINNING = "import sys; sys.path.append(sys.argv.pop(1)); from boxwright.cli import start; start()"


class Follower:
    """Such a process: `command` starts it, `heard` gets its messages in a thread of ours."""

    def __init__(self, command: Sequence[str], heard: Callable[[dict[str, Any]], None]) -> None:
        self.command, self.heard = list(command), heard
        self.restarts = 0
        self._standing: list[bytes] = []  # what a new one is told first
        self._lock = threading.Lock()
        self._closing, self._over = threading.Event(), False
        self._process = self._started()
        self._thread = threading.Thread(target=self._listen, name="follower", daemon=True)
        self._thread.start()

    def tell(self, message: dict[str, Any], *, standing: bool = False) -> None:
        """Hand a message over, or drop it where the other one does not read. `standing`: a new one is told it, too."""
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            if standing:
                self._standing.append(line)
            _hand_over(self._process, line)

    def close(self) -> None:
        """End it, whatever it does."""
        self._closing.set()
        with self._lock:
            _kill(self._process)
        self._thread.join()
        _end(self._process)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C on the terminal is for the training
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)
        for line in self._standing:
            _hand_over(process, line)
        return process

    def _listen(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._over and not self._closing.is_set():
            if self._heard_of(self._process):
                pause = FIRST_PAUSE_S
            if self._over or self._closing.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_S)
            self.restarts += 1
            if self.restarts > MOST_RESTARTS:
                self.heard({"lost": True})
                return
            with self._lock:
                _end(self._process)
                if not self._closing.is_set():
                    self._process = self._started()

    def _heard_of(self, process: subprocess.Popen[bytes]) -> bool:
        """Hear one process until it ends, or hangs; whether it came to do anything."""
        assert process.stdout is not None
        content, useful, until = b"", False, time.monotonic() + START_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while selector.select(None if until == math.inf else max(until - time.monotonic(), 0)):
                piece = os.read(process.stdout.fileno(), PIECE)
                *lines, content = (content + piece).split(b"\n")
                if not piece or len(content) > MAX_LINE:
                    return useful
                for line in lines:
                    message = _message(line)
                    until = time.monotonic() + message["by"] + GRACE_S if "by" in message else math.inf
                    useful = useful or "by" not in message
                    self._over = self._over or message.get("over") is True
                    self.heard(message)
        self.heard({"hung": True})
        return useful


def command_of(entry: str) -> list[str]:
    """The command line that starts a process of this program's own, by a name that only this program uses.

    No file in the folder where it was given can stand in for a package.
    """
    return [sys.executable, "-P", "-c", _BEGINNING, str(Path(__file__).parents[2]), entry]


def _message(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _hand_over(process: subprocess.Popen[bytes], line: bytes) -> None:
    """Write a line as a whole, or not: it is shorter than what pipes take at once."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # full, or nobody reads: the next one will see what there is
        os.write(process.stdin.fileno(), line)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        os.killpg(process.pid, signal.SIGKILL)


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    process.wait()
