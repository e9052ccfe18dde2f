# SPDX-License-Identifier: Apache-2.0
"""events.jsonl, the source of truth of a run: one JSON object a line. And run.log, the same for people."""

from __future__ import annotations

import functools
import json
import time
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from boxwright.errors import printable
from boxwright.system.files import append_line
from boxwright.track.bus import Delivery
from boxwright.track.events import (
    LOSS_NAMES,
    EpochEnded,
    EpochTrained,
    Event,
    FileWritten,
    LabelsCounted,
    Pictured,
    RunStarted,
    StepLogged,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.event_lines import EventLines, event_of
from boxwright.track.sinks.json_lines import read_lines

if TYPE_CHECKING:
    from pathlib import Path

# What a run is rebuilt from.
REBUILT = (RunStarted, EpochEnded, StepLogged, Validated, Pictured, LabelsCounted)


class EventLog:
    """Writes events.jsonl.

    Of the steps of an epoch only the last is in it, before the row of the epoch: a table of 2020 shows both.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path, last: StepLogged | None = None) -> None:
        self._write = EventLines(functools.partial(append_line, path))
        self._last = last  # of an epoch that was begun before a restart

    def handle(self, event: Event) -> None:
        """Add one line."""
        if isinstance(event, StepLogged):
            self._last = event
            return
        if isinstance(event, EpochEnded) and self._last is not None:
            self._write(self._last)
        if not isinstance(event, EpochTrained | FileWritten):
            self._write(event)

    def close(self) -> None:
        """Every line is written already."""


class Log(NamedTuple):
    """What an event log says about a run.

    Its epochs, its pictures with the epoch they followed, what there was to learn, its settings, torn lines.

    `steps` has the last step of each epoch, `validations` those that were not taken back.
    """

    epochs: list[EpochEnded]
    pictures: list[tuple[int, Pictured]]
    labels: LabelsCounted | None
    settings: dict[str, Any]
    torn: int
    steps: dict[int, StepLogged]
    validations: list[Validated]


def read_log(path: Path) -> Log:
    """Every epoch and picture of a log once, as it was made last.

    A start at an epoch takes back the epochs that followed it before.
    """
    rows: dict[int, EpochEnded] = {}
    pictures: dict[str, tuple[int, Pictured]] = {}
    labels: LabelsCounted | None = None
    settings: dict[str, Any] = {}
    steps: dict[int, StepLogged] = {}
    validations: list[Validated] = []
    lines = read_lines(path)
    torn = lines.torn
    for line, _ in lines.whole:
        try:
            found = event_of(line, REBUILT)
        except (ValueError, TypeError, RecursionError):  # what is no event in every part is no event
            torn += 1
            continue
        event = None if found is None else found.event
        match event:
            case RunStarted():
                rows = {epoch: row for epoch, row in rows.items() if epoch < event.first_epoch}
                validations = [one for one in validations if one.epoch is not None and one.epoch < event.first_epoch]
                settings = event.settings
            case EpochEnded():
                rows[event.epoch] = event
            case StepLogged():
                steps[event.epoch] = event
            case Validated():
                validations.append(event)
            case Pictured():
                pictures[event.path] = (max(rows, default=0), event)
            case LabelsCounted():
                labels = event
    return Log(
        [rows[epoch] for epoch in sorted(rows)], list(pictures.values()), labels, settings, torn, steps, validations
    )


def step_of(stored: dict[str, Any]) -> StepLogged | None:
    """The step that a checkpoint keeps; None for what is none."""
    try:
        found = event_of(json.dumps({**stored, "event": StepLogged.__name__}), (StepLogged,))
    except (ValueError, TypeError, RecursionError):
        return None
    return found.event if found is not None and isinstance(found.event, StepLogged) else None


class TextLog:
    """Writes run.log: what the console says, with the time."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read_at = ""  # of the last validation

    def handle(self, event: Event) -> None:
        """Add the lines of an event that people read."""
        if isinstance(event, Validated):
            self._read_at = event.read_at
        for line in lines_of(event, self._read_at):
            append_line(self.path, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {printable(line)}".rstrip())

    def close(self) -> None:
        """Every line is written already."""


def lines_of(event: Event, read_at: str) -> tuple[str, ...]:
    """What a person would be told of an event. `read_at` says where the last precision and recall were read."""
    match event:
        case Warned(text):
            return (f"warning: {text}",)
        case Told(text):
            return (text,)
        case EpochEnded():
            return (epoch_line(event, read_at),)
        case _:
            return tuple(getattr(event, "lines", ()))


def epoch_line(event: EpochEnded, read_at: str) -> str:
    """An epoch in words and numbers; what was not measured is left out."""
    named = (*((f"train/{name}", name) for name in LOSS_NAMES), *_SHORT)
    parts = [f"{word} {event.results[key]:.4g}" for key, word in named if event.results.get(key) is not None]
    if event.fitness is not None and read_at:
        parts.append(read_at)
    best = ["the best so far"] if event.best_epoch == event.epoch else []
    return f"epoch {event.epoch + 1} of {event.epochs}: {', '.join([*parts, f'{event.seconds:.1f} s', *best])}"


_SHORT = (
    ("metrics/precision", "P"),
    ("metrics/recall", "R"),
    ("metrics/mAP_0.5", "mAP50"),
    ("metrics/mAP_0.5:0.95", "mAP50-95"),
)
