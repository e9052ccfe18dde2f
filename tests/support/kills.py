# SPDX-License-Identifier: Apache-2.0
"""Trainings that are killed for real.

Forked off this process, so that a start costs no import, and ended at a chosen place.

A place is an optimizer step, an operation on files within a save, or a moment. Nothing is polled.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.engine import saving
from boxwright.engine.loop import Trainer
from tests.support.commands import command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPERATIONS = ("open", "write", "fsync", "close", "replace", "link")


@dataclass(frozen=True)
class Ended:
    """How a forked command ended: its exit code, or minus the signal."""

    code: int
    out: str
    err: str


def forked(
    folder: Path, words: list[str], arm: Callable[[], None] = lambda: None, *, kill_after_s: float = 0.0
) -> Ended:
    """Run a command line in a child. `arm` lays the trap there; `kill_after_s` kills it from outside."""
    sys.stdout.flush()
    said = folder / "said"
    child = os.fork()
    if child == 0:
        code = 99
        try:
            arm()
            code, out, err = command(*words)
            said.write_text(f"{out}\0{err}")
        finally:
            os._exit(code)
    if kill_after_s:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    out, _, err = said.read_text().partition("\0") if said.exists() else ("", "", "")
    said.unlink(missing_ok=True)
    return Ended(os.waitstatus_to_exitcode(status), out, err)


def at_step(number: int, *signals: int) -> Callable[[], None]:
    """Send signals to oneself (SIGKILL if none is named) in this optimizer step of the process, counted from 1."""

    def arm() -> None:
        left, optimize = [number], Trainer._optimize

        def trapped(trainer: Trainer) -> None:
            left[0] -= 1
            if left[0] == 0:
                for one in signals or (signal.SIGKILL,):
                    os.kill(os.getpid(), one)
            optimize(trainer)

        Trainer._optimize = trapped

    return arm


class _Trap:
    """Counts operations on files, and ends the process before one of them; a write is done by half.

    With a log it only writes them down.
    """

    def __init__(self, number: int, log: Path | None = None) -> None:
        self.left, self.log, self.set = number, log, False
        for name in OPERATIONS:
            setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def operation(*values, **named):
            if self.set:
                self._happens(name, real, values)
            return real(*values, **named)

        return operation

    def _happens(self, name: str, real: Callable[..., object], values: tuple) -> None:
        self.left -= 1
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{name}\n")
        elif self.left == 0:
            if name == "write":
                real(values[0], values[1][: len(values[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)


def trapped_operations(number: int) -> None:
    """From now on: SIGKILL before this operation on files, counted from 1."""
    _Trap(number).set = True


def at_operation(save: int, number: int, log: Path | None = None) -> Callable[[], None]:
    """SIGKILL before this operation on files within this save, both counted from 1.

    With a log: name them all and live.
    """

    def arm() -> None:
        trap, call, saves = _Trap(number, log), saving.Saving.__call__, [0]

        def watched(self: saving.Saving, kind: str, epoch: int, **more: bool) -> None:
            saves[0] += 1
            trap.set = saves[0] == save
            call(self, kind, epoch, **more)
            trap.set = False

        saving.Saving.__call__ = watched

    return arm
