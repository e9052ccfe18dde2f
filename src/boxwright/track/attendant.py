# SPDX-License-Identifier: Apache-2.0
"""Keeps the process of a tracker going beside a training, and says the little that a user should know of it.

A process that ends is started anew, one that hangs in a call is ended before. Nothing of it can hold the training up or
end it; at the end it is waited for, but not for long.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK_S = 0.2  # between looks at its lines
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before it is started anew
STARTING_S = 60.0  # that a process has to say its first word
MAX_PLACE = 500  # characters


class Process(Protocol):
    """A process that lines go into and come out of."""

    def heard(self, seconds: float) -> str | None:
        """The next line; '' for none within this time, None when it will say no more."""
        ...

    def say(self, line: str) -> None:
        """Give it a line."""
        ...

    def end(self) -> None:
        """End it."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How long it is waited for, in seconds; None = for ever.

    `slack`: what a call may take beyond what it said. At the end of a run: `failing` for a service that does not
    answer, `working` for one that does, `interrupted` at most for a run that goes on another time.
    """

    slack: float = 5.0
    failing: float = 10.0
    working: float | None = 60.0
    silent: float = 30.0  # of the last, when nothing is heard
    interrupted: float = 10.0
    meanwhile: str = "the training goes on, and it is tried again"  # what is said of the first trouble


class Attendant:
    """One tracker of one run. `say` takes what the user should know: (text, whether it is a warning)."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Process],
        say: Callable[[str, bool], None],
        behind: Callable[[], int],
        way: str,
        bounds: Bounds | None = None,
    ) -> None:
        self.name, self.start, self.say, self.behind, self.way = name, start, say, behind, way
        self.bounds = bounds or Bounds()
        self.through = False  # everything has arrived
        self.trouble = ""  # why the last try failed, while nothing else is known
        self.left: list[str] = []  # what the user can do with what it keeps here
        self._place = ""
        self._warned = False
        self._end, self._asked_at = "", 0.0
        self._changed = threading.Event()
        self._last, self._within, self._doing = 0.0, STARTING_S, "starting"
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)

    def begin(self) -> None:
        """Start it."""
        self._thread.start()

    def finish(self, end: str) -> None:
        """The log has ended: 'finished', 'stopped' or 'failed'. It is waited for in `close`."""
        if not self._end:
            self._end, self._asked_at = end, time.monotonic()
            self._changed.set()

    def close(self) -> None:
        """Wait until it is through or its time is up, and say what did not arrive."""
        self.finish("failed")
        if self._thread.ident is None:
            return
        self._thread.join()
        left = self.behind()
        if self.through and not left:
            if self._warned:
                self.say(f"{self.name}: everything has arrived after all", False)
            for line in self.left:
                self.say(f"{self.name}: {line}", False)
            return
        what = f"{left} event{'s' * (left != 1)} did not arrive" if left else "the run could not be closed there"
        why = self.trouble or (f"no answer: {self._doing}" if self._doing else "")
        why = f" ({why})" if why else ""
        self.say(f"{self.name}: {what}{why}; later on: {self.way}", True)

    def _time_is_up(self) -> bool:
        if not self._end:
            return False
        silent = time.monotonic() - max(self._last, self._asked_at)
        if self.bounds.working is not None and self._doing and silent > self.bounds.silent:
            return True
        bound = self.bounds.failing if self.trouble else self.bounds.working
        if self._end != "finished" and bound is not None:
            bound = min(bound, self.bounds.interrupted)
        return bound is not None and time.monotonic() - self._asked_at > bound

    def _work(self) -> None:
        pause = FIRST_PAUSE_S
        while not self.through and not self._time_is_up():
            at = self._last
            try:
                process = self.start()
            except OSError as error:
                self._fails(f"its process cannot be started: {error.strerror or error}")
            else:
                try:
                    self._attend(process)
                finally:
                    process.end()
            if self.through or self._time_is_up():
                return
            pause = FIRST_PAUSE_S if self._last > at and not self.trouble else min(2 * pause, LONGEST_PAUSE_S)
            self._changed.wait(pause)
            self._changed.clear()

    def _attend(self, process: Process) -> None:
        """Hear it until it ends, hangs, or its time is up."""
        self._last, self._within, self._doing, told = time.monotonic(), STARTING_S, "starting", False
        while True:
            if self._end and not told:
                process.say(self._end)
                told = True
            line = process.heard(LOOK_S)
            if line is None:
                if not self.through:
                    self._fails(self.trouble or "its process ended by itself")
                return
            if line:
                self._hear(line)
                self._last = time.monotonic()
            silent = time.monotonic() - self._last
            if self._doing and silent > self._within + self.bounds.slack:
                self._fails(f"no answer for {silent:.0f} s: {self._doing}")
                return
            if self.through or self._time_is_up():
                return

    def _hear(self, line: str) -> None:
        """What the process says; see track/follower.py."""
        try:
            told: dict[str, Any] = json.loads(line)
        except ValueError:  # not ours: a library that found the way
            return
        if "doing" in told:
            self._doing, self._within = str(told["doing"]), float(told["within"])
        elif "at" in told:
            self._doing, self.trouble = "", ""
        elif "open" in told:
            self._doing, self.trouble = "", ""
            place = str(told["open"])[:MAX_PLACE]
            if place != self._place:
                self._place = place
                self.say(f"{self.name}: {place}", False)
        elif "failing" in told:
            self._doing = ""
            if not told.get("claimed"):
                self._fails(str(told["failing"]))
        elif "done" in told:
            self.through, self.left = True, [str(one) for one in told["done"]]

    def _fails(self, reason: str) -> None:
        """Say it the first time."""
        self.trouble = reason
        if not self._warned:
            self._warned = True
            self.say(f"{self.name} does not answer ({reason}); {self.bounds.meanwhile}", True)
