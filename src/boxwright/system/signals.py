# SPDX-License-Identifier: Apache-2.0
"""Signals that ask a process to end. Both arrive as KeyboardInterrupt, so that files are closed and nothing is half written."""

from __future__ import annotations

import contextlib
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
