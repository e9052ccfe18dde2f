# SPDX-License-Identifier: Apache-2.0
"""The bus: every event of a run, in order, to every sink. No sink can end a run, and none that is slow can hold it up.

An inline sink (console, files) is called where an event is told. A queued sink (anything behind a network) has a thread
and a queue of its own: when it is behind, what can be dropped is dropped, batches first, never epochs or files.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from boxwright.system.files import WriteError
from boxwright.track.events import Event, Warned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

QUEUE_LIMIT = 1000  # events that wait for one sink before any are dropped
CLOSING_S = 10.0  # that queued sinks together are given to finish when the run is over


class Delivery(Enum):
    """How events reach a sink."""

    INLINE = "inline"
    QUEUED = "queued"


class Sink(Protocol):
    """Somewhere events go."""

    delivery: ClassVar[Delivery]

    def handle(self, event: Event) -> None:
        """Take note of an event."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


@runtime_checkable
class Remembering(Protocol):
    """A sink that keeps a little in checkpoints, such as the id of its run at a service. Plain values only."""

    name: str

    def state(self) -> dict[str, Any]:
        """What to keep."""
        ...


class Bus:
    """Hands events to sinks. May be told from any thread; every sink hears the events in one order.

    What a sink tells while it handles an event (a file was written, another sink failed) follows behind that event.

    A sink that fails is reported once and gets no more. One that cannot write stays: a full disk may have room again.
    """

    def __init__(self, sinks: Iterable[Sink]) -> None:
        self.sinks = list(sinks)
        self._full: set[Sink] = set()  # sinks that could not write; they are tried again and again
        self._lock = threading.RLock()
        self._waiting: deque[Event] = deque()  # told by a sink while it handles another one
        self._delivering = False
        queued = [sink for sink in self.sinks if sink.delivery is Delivery.QUEUED]
        self._queues = {sink: _Queue(sink, self._queue_failed) for sink in queued}

    def tell(self, event: Event) -> None:
        """Hand an event to every sink that still works."""
        with self._lock:
            self._waiting.append(event)
            if self._delivering:
                return
            self._delivering = True
            try:
                while self._waiting:
                    self._hand_over(self._waiting.popleft())
            finally:
                self._delivering = False

    def _hand_over(self, event: Event) -> None:
        for sink in list(self.sinks):
            if queue := self._queues.get(sink):
                queue.put(event)
            else:
                self._deliver(sink, event)

    def _deliver(self, sink: Sink, event: Event) -> None:
        try:
            sink.handle(event)
        except WriteError as error:
            self._complain(sink, error)
        except Exception as error:  # noqa: BLE001 -- a sink must not end a training
            self._drop(sink, error)

    def states(self) -> dict[str, dict[str, Any]]:
        """What sinks want to find again when the run goes on, by their names."""
        return {sink.name: sink.state() for sink in self.sinks if isinstance(sink, Remembering)}

    def close(self, seconds: float = CLOSING_S) -> None:
        """Let queued sinks finish within a time, then close every sink."""
        until = time.monotonic() + seconds
        for sink, queue in self._queues.items():
            left = queue.finish(max(until - time.monotonic(), 0))
            name, lost = type(sink).__name__, left + queue.dropped
            if lost and sink in self.sinks:
                self.tell(Warned(f"{name} was too slow: {lost} events did not reach it"))
            if left and sink in self.sinks:
                self.sinks.remove(sink)  # its thread still holds it
        for sink in list(self.sinks):
            try:
                sink.close()
            except Exception as error:  # noqa: BLE001 -- as above
                self._drop(sink, error)

    def _complain(self, sink: Sink, error: WriteError) -> None:
        if sink not in self._full:
            self._full.add(sink)
            self.tell(Warned(f"{error} The run goes on, and {type(sink).__name__} will try again"))

    def _queue_failed(self, sink: Sink, error: Exception) -> None:
        with self._lock:
            self._drop(sink, error)

    def _drop(self, sink: Sink, error: Exception) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)
        reason = " ".join(str(error).split()) or type(error).__name__
        self.tell(Warned(f"{type(sink).__name__} failed and gets no more events ({reason}); the run goes on"))


class _Queue:
    """The events that wait for one sink, and the thread that hands them over."""

    def __init__(self, sink: Sink, failed: Callable[[Sink, Exception], None]) -> None:
        self.sink, self.failed = sink, failed
        self.dropped = 0
        self._waiting: deque[Event] = deque()
        self._changed = threading.Condition()
        self._busy = self._finishing = self._dead = False
        self._thread = threading.Thread(target=self._work, name=f"sink-{type(sink).__name__}", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Add an event; of a queue that is full the oldest that can be dropped goes first."""
        with self._changed:
            if self._dead:
                return
            if len(self._waiting) >= QUEUE_LIMIT and not self._make_room() and event.droppable:
                self.dropped += 1
                return
            self._waiting.append(event)
            self._changed.notify_all()

    def _make_room(self) -> bool:
        victim = next((one for one in self._waiting if one.droppable), None)
        if victim is None:
            return False
        self._waiting.remove(victim)
        self.dropped += 1
        return True

    def finish(self, seconds: float) -> int:
        """Wait until everything is handed over, for this long at most; how many events are left."""
        with self._changed:
            self._finishing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._dead or not (self._waiting or self._busy), seconds)
            left = 0 if self._dead else len(self._waiting) + self._busy
            self._dead = True
            self._changed.notify_all()
        return left

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._finishing or self._dead)
                if self._dead or not self._waiting:
                    return
                event, self._busy = self._waiting.popleft(), True
            try:
                self.sink.handle(event)
            except Exception as error:  # noqa: BLE001 -- as in the bus
                with self._changed:
                    self._dead, self._busy = True, False
                    self._changed.notify_all()
                self.failed(self.sink, error)
                return
            with self._changed:
                self._busy = False
                self._changed.notify_all()
