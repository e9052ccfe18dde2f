# SPDX-License-Identifier: Apache-2.0
"""Every event of a run as a line of JSON, for programs that follow it: `--ndjson-file` and `--ndjson-console`."""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import TYPE_CHECKING, ClassVar

from boxwright.system.files import append_line
from boxwright.system.terminal import say
from boxwright.track.bus import Delivery
from boxwright.track.events import Ended, Event, RunEnded, Warned
from boxwright.track.sinks.event_lines import EventLines

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO


class EventStream:
    """Appends events to a file as they come, each step and each written file among them.

    The event log beside it keeps what a run can be rebuilt from; this leaves nothing out.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path) -> None:
        self._write = EventLines(functools.partial(append_line, path))

    def handle(self, event: Event) -> None:
        """Add one line. Raises WriteError."""
        self._write(event)

    def close(self) -> None:
        """Every line is written already."""


class EventPrinter:
    """Prints events in place of the console, and nothing else there; warnings stand on stderr as well, for people."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stdout
        self._write = EventLines(self._print)

    def handle(self, event: Event) -> None:
        """Print one line."""
        if isinstance(event, Warned):
            say(f"warning: {event.text}", sys.stderr)
        self._write(event)

    def _print(self, line: str) -> None:
        say(line, self.out, whole=True)
        self.out.flush()  # whoever reads along waits for it

    def close(self) -> None:
        """Every line is printed already."""


def print_end(ended: Ended, reason: str, folder: str = "", epochs_done: int = 0, exit_code: int = 0) -> None:
    """The whole stream of what ended before it could tell of anything: a fault, or a run that is done already."""
    with contextlib.suppress(BrokenPipeError):  # whoever read is gone, and nobody can be told
        EventPrinter().handle(RunEnded(reason, epochs_done, 0.0, -1, 0.0, folder, (), ended, exit_code))
