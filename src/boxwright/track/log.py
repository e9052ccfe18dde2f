# SPDX-License-Identifier: Apache-2.0
"""events.jsonl, the source of truth of a run: one JSON object a line. And run.log, the same for people."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from boxwright.errors import printable
from boxwright.system.files import append_line
from boxwright.track.events import EpochEnded, EpochTrained, Event, StepLogged, Told, Warned

if TYPE_CHECKING:
    from pathlib import Path


class EventLog:
    """Writes events.jsonl. Steps within an epoch are left out: the row of the epoch holds what counts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def handle(self, event: Event) -> None:
        """Add one line."""
        if not isinstance(event, StepLogged | EpochTrained):
            append_line(self.path, json.dumps({"time": round(time.time(), 3), **event.record()}, default=str))

    def close(self) -> None:
        """Every line is written already."""


def read_epochs(path: Path) -> tuple[list[EpochEnded], int]:
    """Every epoch of a log once, as it was trained last, and how many lines were torn. A start at an epoch takes back what followed it before."""
    rows: dict[int, EpochEnded] = {}
    torn = 0
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found = json.loads(line)
            kind = found.pop("event")
            found.pop("time", None)
            if kind == "RunStarted":
                rows = {epoch: row for epoch, row in rows.items() if epoch < found["first_epoch"]}
            elif kind == "EpochEnded":
                rows[found["epoch"]] = EpochEnded(**found)
        except (ValueError, KeyError, TypeError, AttributeError):
            torn += 1
    return [rows[epoch] for epoch in sorted(rows)], torn


class TextLog:
    """Writes run.log: what the console says, with the time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def handle(self, event: Event) -> None:
        """Add the lines of an event that people read."""
        for line in lines_of(event):
            append_line(self.path, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable(line)}".rstrip())

    def close(self) -> None:
        """Every line is written already."""


def lines_of(event: Event) -> tuple[str, ...]:
    """What a person would be told of an event."""
    match event:
        case Warned(text):
            return (f"warning: {text}",)
        case Told(text):
            return (text,)
        case _:
            return tuple(getattr(event, "lines", ()))
