# SPDX-License-Identifier: Apache-2.0
"""A process of its own beside a training, for work that may wait for a network: the training never does.

Lines of JSON go there without waiting and come back in a thread. One that says by when it will be heard of again ("by",
in seconds), and is not, hangs: it is ended and started anew, as one that died is, until it says that it is over
("over"). It ends by itself when this process is gone.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from boxwright.system.child_process import Child, python_of_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GRACE_S = 5.0  # beyond the time that it states itself
START_S = 60.0  # to start and say the first word
MOST_RESTARTS = 20  # of a process that never does anything
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before another start
_PROGRAM = "from boxwright.cli import start; start()"


class Follower:
    """Such a process: `command` starts it, `heard` gets its messages in a thread of ours."""

    def __init__(self, command: Sequence[str], heard: Callable[[dict[str, Any]], None]) -> None:
        self.command, self.heard = list(command), heard
        self.restarts = 0
        self._standing: list[str] = []  # what a new one is told first
        self._lock = threading.Lock()
        self._closing, self._over = threading.Event(), False
        self._process = self._started()
        self._thread = threading.Thread(target=self._listen, name="follower", daemon=True)
        self._thread.start()

    def tell(self, message: dict[str, Any], *, standing: bool = False) -> None:
        """Hand a message over, or drop it where the other one does not read. `standing`: a new one is told it, too."""
        line = json.dumps(message)
        with self._lock:
            if standing:
                self._standing.append(line)
            self._process.say(line)

    def close(self) -> None:
        """End it, whatever it does."""
        self._closing.set()
        with self._lock:
            self._process.end()
        self._thread.join()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def _started(self) -> Child:
        process = Child(self.command)
        for line in self._standing:
            process.say(line)
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
                self._process.end()
                if not self._closing.is_set():
                    self._process = self._started()

    def _heard_of(self, process: Child) -> bool:
        """Hear one process until it ends, or hangs; whether it came to do anything."""
        useful = False
        waits: float | None = START_S
        while line := process.heard(waits):
            message = _message(line)
            waits = message["by"] + GRACE_S if "by" in message else None
            useful = useful or "by" not in message
            self._over = self._over or message.get("over") is True
            self.heard(message)
        if line == "":
            self.heard({"hung": True})
        return useful


def command_of(entry: str) -> list[str]:
    """The command line that starts a process of this program's own, by a name that only this program uses."""
    return python_of_ours(_PROGRAM, [entry])


def _message(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
