# SPDX-License-Identifier: Apache-2.0
"""Several streams at once: a thread reads each, and whoever looks gets the newest picture of each, or every one.

One that breaks off is opened again a few times. A recording has an end and is never skipped through.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from boxwright.data.pixels.image_files import BrokenImageError
from boxwright.data.pixels.stream import OpenStream, StreamFormat, opened_stream, shown
from boxwright.infer.sources import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    import numpy as np

HELD = 4  # pictures of a stream that wait while every one is wanted
STEADY = 25  # pictures in a row: a stream that gave so many works, and its attempts are counted anew
JOIN_SECONDS = 2.0  # for a thread that is in the middle of a picture
WAITS = (0.0, 1.0, 2.0, 5.0)  # seconds before each next attempt, the last for all others


@dataclass(frozen=True)
class StreamRules:
    """How streams are read.

    `every_frame`: none is skipped, and the stream has to wait. `stride`: every so-manyth. `reconnect`: attempts.
    """

    every_frame: bool = False
    stride: int = 1
    reconnect: int = 3
    waits: tuple[float, ...] = WAITS


@dataclass
class _Reader:
    """One stream and the thread that reads it. All state is guarded by `changed`."""

    word: str
    rules: StreamRules
    changed: threading.Condition
    stop: threading.Event
    open: Callable[[str], AbstractContextManager[OpenStream]]
    pictures: deque[tuple[Frame, np.ndarray]] = field(default_factory=deque)
    notes: list[str] = field(default_factory=list)
    ended: str = ""  # why, when it did
    number: int = 0  # pictures that came so far
    fault: BaseException | None = None

    def read(self) -> None:
        """Read until the stream ends or nobody wants it any more."""
        try:
            self._end(self._read())
        except BaseException as error:  # noqa: BLE001 -- raised again where the pictures are taken
            self.fault = error
            self._end("failed")

    def _read(self) -> str:
        failures = 0
        while True:
            before = self.number
            why, is_recording = self._read_once()
            failures = 1 if self.number - before >= STEADY else failures + 1
            if self.stop.is_set() or is_recording or not self.number:  # what never came will not come again
                return why
            if failures > self.rules.reconnect:
                return f"broke off after {self.number} pictures ({why})"
            with self.changed:
                self.notes.append(f"broke off after {self.number} pictures ({why}); opened again")
                self.changed.notify_all()
            waits = self.rules.waits
            self.stop.wait(waits[min(failures, len(waits)) - 1])

    def _read_once(self) -> tuple[str, bool]:
        """Why it stopped, and whether it was a recording that is through."""
        try:
            with self.open(self.word) as stream:
                is_recording = stream.format.frames is not None
                for pixels in stream.pictures:
                    if self.stop.is_set():
                        return "stopped", False
                    if self.number % self.rules.stride == 0:
                        self._keep(pixels, stream.format, keep_all=self.rules.every_frame or is_recording)
                    self.number += 1
                return f"ended after {self.number} pictures" if is_recording else "no more came", is_recording
        except BrokenImageError as error:
            return str(error), False

    def _keep(self, pixels: np.ndarray, form: StreamFormat, *, keep_all: bool) -> None:
        frame = Frame(shown(self.word), self.number, form.frames_per_second / self.rules.stride, is_live=True)
        with self.changed:
            if keep_all:
                self.changed.wait_for(lambda: len(self.pictures) < HELD or self.stop.is_set())
            else:
                self.pictures.clear()
            self.pictures.append((frame, pixels))
            self.changed.notify_all()

    def _end(self, why: str) -> None:
        with self.changed:
            self.ended = why or "ended"
            self.changed.notify_all()


class Streams:
    """Streams that are being read, until each has ended or the block is left.

    `tell` hears, in one line each, of those that break off and end.
    """

    def __init__(
        self,
        words: Sequence[str],
        rules: StreamRules,
        tell: Callable[[str], None],
        open_one: Callable[[str], AbstractContextManager[OpenStream]] = opened_stream,
    ) -> None:
        self._changed, self._stop, self._tell = threading.Condition(), threading.Event(), tell
        self.readers = [_Reader(word, rules, self._changed, self._stop, open_one) for word in words]
        self.failed: dict[str, str] = {}  # streams of which nothing came, and why
        self._threads = [threading.Thread(target=reader.read, daemon=True) for reader in self.readers]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(JOIN_SECONDS)  # one that waits for a server ends with the program

    def __iter__(self) -> Iterator[list[tuple[Frame, np.ndarray]]]:
        """The pictures that are there, at most one of each stream; waits for the first."""
        open_readers = list(self.readers)
        while open_readers:
            with self._changed:
                self._changed.wait_for(lambda: any(r.pictures or r.notes or r.ended for r in open_readers))
                taken = [reader.pictures.popleft() for reader in open_readers if reader.pictures]
                notes = [(reader, reader.notes.pop(0)) for reader in open_readers if reader.notes]
                over = [reader for reader in open_readers if reader.ended and not reader.pictures and not reader.notes]
                self._changed.notify_all()
            for reader, note in notes:
                self._tell(f"{shown(reader.word)}: {note}")
            if taken:
                yield taken
            for reader in over:
                open_readers.remove(reader)
                self._finish(reader)

    def _finish(self, reader: _Reader) -> None:
        if reader.fault is not None:
            raise reader.fault
        if not reader.number:
            self.failed[shown(reader.word)] = reader.ended
        else:
            self._tell(f"{shown(reader.word)}: {reader.ended}")
