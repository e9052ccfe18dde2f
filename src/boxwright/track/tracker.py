# SPDX-License-Identifier: Apache-2.0
"""The fan-out: every event goes to every sink. A sink that fails is reported once and left out; it never ends a run.

A sink that cannot write stays: a full disk may have room again.
"""

from __future__ import annotations

from typing import Protocol

from boxwright.system.files import WriteError
from boxwright.track.events import Event, Warned


class Sink(Protocol):
    """Somewhere events go."""

    def handle(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


class Tracker:
    """Sends events to sinks."""

    def __init__(self, sinks: list[Sink]) -> None:
        self.sinks = sinks
        self._full: set[Sink] = set()  # sinks that could not write; they are tried again and again

    def tell(self, event: Event) -> None:
        """Hand an event to every sink that still works."""
        for sink in list(self.sinks):
            if sink not in self.sinks:
                continue  # it failed at the report about another one
            try:
                sink.handle(event)
            except WriteError as error:
                self._complain(sink, error)
            except Exception as error:  # noqa: BLE001 -- a tracker must not end a training
                self._drop(sink, error)

    def close(self) -> None:
        """Close every sink."""
        for sink in list(self.sinks):
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 -- as above
                self._drop(sink, error)

    def _complain(self, sink: Sink, error: WriteError) -> None:
        if sink not in self._full:
            self._full.add(sink)
            self.tell(Warned(f"{error} The run goes on, and {type(sink).__name__} will try again"))

    def _drop(self, sink: Sink, error: Exception) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)
        reason = " ".join(str(error).split()) or type(error).__name__
        self.tell(Warned(f"{type(sink).__name__} failed and gets no more events ({reason}); the run goes on"))
