# SPDX-License-Identifier: Apache-2.0
"""The event log of a run, read on as it grows, while somebody else writes it.

Lines are counted by what is whole in them: a log that was cut back to its whole lines counts as before.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, NamedTuple

from boxwright.paths import open_regular
from boxwright.track.events import (
    BoxesShown,
    CheckpointSaved,
    EpochEnded,
    Event,
    LabelsCounted,
    Pictured,
    RunEnded,
    RunStarted,
    StepLogged,
    StreamStarted,
    SystemMeasured,
    Validated,
)
from boxwright.track.sinks.event_lines import event_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# What trackers are told of.
SENT = (
    *(RunStarted, EpochEnded, StepLogged, Validated, Pictured, LabelsCounted),
    *(CheckpointSaved, RunEnded, SystemMeasured, BoxesShown),
)


class Entry(NamedTuple):
    """A line of the log: how many whole ones come before it, its time in seconds, its event.

    None for one that nothing is made of.
    """

    number: int
    time_s: float
    event: Event | None


class FollowedLog:
    """Reads whole lines from where it stands; the file may not be there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._which, self._offset, self._count = 0, 0, 0

    def after(self, number: int) -> list[Entry]:
        """The whole lines behind so many of them. Raises OSError for a file that cannot be read."""
        if not self.path.is_file():
            return []
        with open_regular(self.path) as file:
            about = os.fstat(file.fileno())
            if about.st_ino != self._which or about.st_size < self._offset or number < self._count:
                self._which, self._offset, self._count = about.st_ino, 0, 0  # it was written anew
            file.seek(self._offset)
            content = file.read()
        whole, end, _ = content.rpartition(b"\n")
        self._offset += len(whole) + len(end)
        found = [entry for line in whole.split(b"\n") if (entry := self._entry(line)) is not None]
        return [entry for entry in found if entry.number >= number]

    def _entry(self, line: bytes) -> Entry | None:
        """None for what is no object."""
        try:
            text = line.decode("utf-8")
            document = json.loads(text)
        except (ValueError, RecursionError):
            return None
        if not isinstance(document, dict) or document.get("event") == StreamStarted.__name__:
            return None  # the second names the format, once for every process that wrote
        self._count += 1
        time_s = document.get("time")
        try:
            found = event_of(text, SENT)
        except (ValueError, TypeError, RecursionError):  # as in read_log: what is no event in every part is none
            found = None
        event = None if found is None else found.event
        return Entry(self._count - 1, float(time_s) if isinstance(time_s, int | float) else 0.0, event)


def begin_of_run(path: Path) -> int:
    """The line with which the run of a log began: what came before it was taken back, or is another run's."""
    starts = [one for one in FollowedLog(path).after(0) if isinstance(one.event, RunStarted)]
    return max((one.number for one in starts if starts and one.event.first_epoch == 0), default=0)  # type: ignore[union-attr]  # as asked above


def without_taken_back(entries: Iterable[Entry]) -> list[Entry]:
    """The same lines, without the events of epochs that a later start among them began anew."""
    kept: list[Entry] = []
    for entry in entries:
        if isinstance(entry.event, RunStarted):
            first = entry.event.first_epoch
            kept = [one._replace(event=None) if _epoch_of(one.event) >= first else one for one in kept]
        kept.append(entry)
    return kept


def _epoch_of(event: Event | None) -> int:
    """The epoch that an event tells of; -1 for others."""
    if isinstance(event, EpochEnded | SystemMeasured | BoxesShown | Validated) and event.epoch is not None:
        return event.epoch
    return -1
