# SPDX-License-Identifier: Apache-2.0
"""Signals that ask a process to end: Ctrl-C, SIGTERM, and SIGHUP of a terminal that was closed.

They arrive as KeyboardInterrupt, so that files are closed and nothing is half written. Where work can be saved first,
`stops_collected` takes them as a request; a second one leaves at once. A signal that the process was started to ignore
(`nohup`, a job in the background) stays ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import FrameType

ONE_REQUEST_S = 1.5  # within which signals from a terminal and a launcher are one
ENDED_BY_SIGNAL = 128  # what a shell adds to the number of a signal that ended a program
TERMINATIONS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # not every system has the second


class TerminatedError(KeyboardInterrupt):
    """Somebody, mostly a scheduler of jobs or a terminal that goes away, asked this process to end by this signal."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__()
        self.number = number


def exit_code(stop: KeyboardInterrupt) -> int:
    """130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return ENDED_BY_SIGNAL + (stop.number if isinstance(stop, TerminatedError) else signal.SIGINT)


def name_of(stop: KeyboardInterrupt) -> str:
    """The signal, as SIGINT or SIGTERM."""
    return signal.Signals(exit_code(stop) - ENDED_BY_SIGNAL).name


class Interruption:
    """The signal that ended what ran, if one did: libraries turn the exception it raises into errors of their own."""

    def __init__(self) -> None:
        self.stop: KeyboardInterrupt | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.stop = KeyboardInterrupt() if number == signal.SIGINT else TerminatedError(number)
        raise self.stop


@contextlib.contextmanager
def termination_heeded(interruption: Interruption) -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what runs inside as Ctrl-C does.

    Only the main thread may ask for that; elsewhere nothing changes.
    """
    with _answered((signal.SIGINT, *TERMINATIONS), interruption):
        yield


class StopRequest:
    """The first signal that asked to end, kept until somebody looks. A second one leaves at once.

    `patient`: not if it comes right behind the first, as after Ctrl-C from the terminal and from a launcher.

    A handler may do nothing more: no files, no locks.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self.number, self._apart_s = 0, ONE_REQUEST_S if patient else 0.0
        self._since = 0.0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self.number:
            self.number, self._since = number, time.monotonic()
        elif time.monotonic() - self._since >= self._apart_s:
            os._exit(ENDED_BY_SIGNAL + number)  # asked twice: leave at once; every file is whole at every moment

    @property
    def reason(self) -> str:
        """The name of the signal, or ''."""
        return signal.Signals(self.number).name if self.number else ""

    def take(self, reason: str) -> None:
        """Another process of the same training got a signal: it counts here too."""
        if not self.number and reason in signal.Signals.__members__:
            self.number = signal.Signals[reason]

    def raise_again(self) -> None:
        """Go on as if the signal came now."""
        raise KeyboardInterrupt if self.number == signal.SIGINT else TerminatedError(self.number)


@contextlib.contextmanager
def stops_collected(*, patient: bool = False, request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Take Ctrl-C, SIGTERM and SIGHUP as a request while this lasts. Outside the main thread no signal ever arrives.

    `request`: one that comes another way, too.
    """
    request = request or StopRequest(patient=patient)
    with _answered((signal.SIGINT, *TERMINATIONS), request):
        yield request


@contextlib.contextmanager
def _answered(numbers: Iterable[int], handler: Callable[[int, FrameType | None], object]) -> Iterator[None]:
    """Answer these signals in this way while this lasts, but for those that are ignored."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        heeded = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, answer in before.items():
            signal.signal(number, answer)
