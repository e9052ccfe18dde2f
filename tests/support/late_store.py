# SPDX-License-Identifier: Apache-2.0
"""A file server as its clients see it, and workers who take turns call by call: no clock, no process, no wait.

Lists of names are late, new files stay unseen for a while, above all where they were looked for in vain, replaced
files are read as they were, and a file that was made is sometimes denied. Which worker is next, and what is late, is
drawn from a seed.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


class KilledError(BaseException):
    """This worker is gone. Nothing catches it."""


@dataclass
class Server:
    """What really is there: by name, each content with the turn in which it came."""

    files: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)


class Turns:
    """Threads of which one runs at a time, each until its next call to the store. `now` counts turns."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.now = draw, 0
        self._back = _closed()
        self._gates: dict[str, threading.Lock] = {}
        self._asleep: dict[str, int] = {}
        self._doomed: set[str] = set()
        self.errors: list[BaseException] = []

    def start(self, name: str, work: Callable[[], None]) -> None:
        """A new worker, who will have its turns from now on."""
        gate = self._gates[name] = _closed()

        def run() -> None:
            gate.acquire()
            try:
                work()
            except KilledError:
                pass
            except BaseException as error:  # noqa: BLE001 -- for the test to raise
                self.errors.append(error)
            finally:
                del self._gates[name]
                self._back.release()

        threading.Thread(target=run, name=name, daemon=True).start()

    def pause(self) -> None:
        """Called by a worker: others may be next."""
        name = threading.current_thread().name
        if name not in self._gates:
            return
        self._back.release()
        self._gates[name].acquire()
        if name in self._doomed:
            raise KilledError

    def freeze(self, turns: int) -> None:
        """Some worker has no turn for so long."""
        self._asleep[self.draw.choice(sorted(self._gates))] = self.now + turns

    def kill(self) -> str:
        """Some worker dies where it stands."""
        name = self.draw.choice(sorted(self._gates))
        self._doomed.add(name)
        self._asleep.pop(name, None)
        self._turn(name)
        return name

    def step(self) -> bool:
        """One turn of some worker; whether there is one left."""
        self.now += 1
        awake = [name for name in sorted(self._gates) if self._asleep.get(name, 0) <= self.now]
        if awake:
            self._turn(self.draw.choice(awake))
        return bool(self._gates)

    def _turn(self, name: str) -> None:
        self._gates[name].release()
        self._back.acquire()


class LateStore:
    """The server as one worker sees it. `late` is the most turns by which something may be late."""

    def __init__(self, server: Server, turns: Turns, late: int, denied: float = 0.1) -> None:
        self._server, self._turns, self._late, self._denied = server, turns, late, denied
        self._unseen: dict[str, int] = {}  # until when a name that was looked for in vain stays so

    def __str__(self) -> str:
        return "server"

    def create(self, name: str, content: bytes) -> bool:
        self._turns.pause()
        made = name not in self._server.files
        if made:
            self._server.files[name] = [(self._turns.now, content)]
            self._turns.pause()  # it is there, and whoever made it may never hear of it
        return made and self._turns.draw.random() >= self._denied

    def put(self, name: str, content: bytes) -> None:
        self._turns.pause()
        self._server.files.setdefault(name, []).append((self._turns.now, content))

    def read(self, name: str) -> bytes | None:
        self._turns.pause()
        now, versions = self._turns.now, self._server.files.get(name)
        if self._unseen.get(name, 0) > now:
            return None
        if versions is None:
            self._unseen[name] = now + self._turns.draw.randint(0, self._late)
            return None
        if versions[0][0] > now - self._late and self._turns.draw.random() < self._denied:
            self._unseen[name] = versions[0][0] + self._late
            return None
        since = now - self._turns.draw.randint(0, self._late)
        return next((content for turn, content in reversed(versions) if turn <= since), versions[0][1])

    def names(self, folder: str) -> list[str]:
        self._turns.pause()
        since = self._turns.now - self._turns.draw.randint(0, self._late)
        return [
            name for name, versions in self._server.files.items() if name.startswith(folder) and versions[0][0] <= since
        ]


def _closed() -> threading.Lock:
    """A gate that opens for one, once: the plainest lock, since there are thousands of turns."""
    gate = threading.Lock()
    gate.acquire()
    return gate
