# SPDX-License-Identifier: Apache-2.0
"""Several processes of this program on this machine that work on one thing, each by itself; one that dies is replaced.

They print to the same terminal. Ctrl-C reaches all of them there; a signal to this process is passed on.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Protocol

from boxwright.errors import EXIT_DONE
from boxwright.system.signals import ENDED_BY_SIGNAL, StopRequest, stops_collected

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAVING_S = 20.0  # that processes have to leave behind a signal
MOST_DEATHS = 10  # of processes in one place, without anything having come of it


class Watcher(Protocol):
    """Who wants to know how the processes get on. Processes are known by their number in the system."""

    def begun(self, place: int, process: int) -> None:
        """One was started in this place."""
        ...

    def killed(self, place: int, process: int) -> None:
        """One was killed; another one is started in its place."""
        ...

    def look(self) -> bool:
        """See what came of their work since the last look, and say whether anything did."""
        ...


def attended(commands: Sequence[Sequence[str]], watcher: Watcher, every_s: float) -> int:
    """Run `boxwright WORDS` for each of the commands until all have ended; the exit code of the first that failed.

    The watcher looks every so many seconds. A process that was killed is started anew. KeyboardInterrupt after a
    signal, when all have left.
    """
    with stops_collected() as request:
        places = [_Place(number, words, watcher) for number, words in enumerate(commands)]
        try:
            return _until_ended(places, watcher, every_s, request)
        finally:
            for place in places:
                place.leave()


class _Place:
    """A process, and those that came before it in its place."""

    def __init__(self, number: int, words: Sequence[str], watcher: Watcher) -> None:
        self.number, self.words, self.watcher = number, words, watcher
        self.deaths = 0
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-m", "boxwright", *self.words])
        self.watcher.begun(self.number, process.pid)
        return process

    def code(self) -> int | None:
        """How it ended; None while it runs."""
        code = self.process.poll()
        return code if code is None or code >= 0 else ENDED_BY_SIGNAL - code

    def was_killed(self) -> bool:
        """Whether something ended it that it could not know of: it is worth another try."""
        return self.process.poll() == -signal.SIGKILL and self.deaths < MOST_DEATHS

    def start_again(self) -> None:
        """Another process in its place."""
        self.deaths += 1
        self.watcher.killed(self.number, self.process.pid)
        self.process = self._started()

    def leave(self) -> None:
        """End it, politely first."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(LEAVING_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _until_ended(places: Sequence[_Place], watcher: Watcher, every_s: float, request: StopRequest) -> int:
    running = list(places)
    failed = EXIT_DONE
    while running:
        _wait_for_one(running[0], every_s)
        if request.number:
            for place in running:
                place.leave()
            watcher.look()
            request.raise_again()
        if watcher.look():
            for place in running:
                place.deaths = 0
        for place in list(running):
            if place.code() is None:
                continue
            if place.was_killed():
                place.start_again()
                continue
            running.remove(place)
            failed = failed or place.code() or EXIT_DONE
    watcher.look()
    return failed


def _wait_for_one(place: _Place, seconds: float) -> None:
    try:
        place.process.wait(seconds)
    except subprocess.TimeoutExpired:
        return
