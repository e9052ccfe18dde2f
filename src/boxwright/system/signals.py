# SPDX-License-Identifier: Apache-2.0
"""Signals that ask a process to end. Both arrive as KeyboardInterrupt, so that files are closed and nothing is half written.

Where work can be saved first, `stops_collected` takes them as a request; a second one leaves at once.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDED_BY_SIGNAL = 128  # what a shell adds to the number of a signal that ended a program


class TerminatedError(KeyboardInterrupt):
    """Somebody, mostly a scheduler of jobs, asked this process to end."""


def exit_code(stop: KeyboardInterrupt) -> int:
    """130 after Ctrl-C, 143 after SIGTERM."""
    return ENDED_BY_SIGNAL + (signal.SIGTERM if isinstance(stop, TerminatedError) else signal.SIGINT)


@contextlib.contextmanager
def termination_heeded() -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl-C does. Only the main thread may ask for that; elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise TerminatedError


class StopRequest:
    """The first signal that asked to end, kept until somebody looks. A handler may do nothing more: no files, no locks."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            os._exit(ENDED_BY_SIGNAL + number)  # asked twice: leave at once; every file is whole at every moment
        self.number = number

    @property
    def reason(self) -> str:
        """The name of the signal, or ''."""
        return signal.Signals(self.number).name if self.number else ""

    def raise_again(self) -> None:
        """Go on as if the signal came now."""
        raise TerminatedError if self.number == signal.SIGTERM else KeyboardInterrupt


@contextlib.contextmanager
def stops_collected() -> Iterator[StopRequest]:
    """Take Ctrl-C and SIGTERM as a request while this lasts. Outside the main thread no signal ever arrives."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
