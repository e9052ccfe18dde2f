# SPDX-License-Identifier: Apache-2.0
"""Events as lines of JSON and back: the format of events.jsonl, events.ndjson and `--ndjson-console`.

docs/reference/events.md describes it for programs of others.
"""

from __future__ import annotations

import functools
import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import TypeAdapter

from boxwright.system.json_text import json_text
from boxwright.track.events import Event, StreamStarted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

NOT_FINITE = "not_finite"  # beside the fields of an event: which of its nulls are numbers that JSON has no word for
_BEGINS = re.compile(rb'\{"time": ([0-9]+\.[0-9]+), "event": "([A-Za-z]+)"')  # of our lines: most are not wanted
_NAMES = {"nan", "inf", "-inf"}


class EventLines:
    """Writes events as lines, the first one behind a line that names the format and its version."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write, self._begun = write, False

    def __call__(self, event: Event) -> None:
        """Write one event. Raises what `write` raises; then it may be tried again."""
        if not self._begun:
            self._write(line_of(StreamStarted()))
            self._begun = True
        self._write(line_of(event))


def line_of(event: Event) -> str:
    """An event with the time, in seconds since 1970."""
    lost: list[list[Any]] = []
    text = json_text({"time": round(time.time(), 3), **event.record()}, lost=lost)
    return text if not lost else f"{text[:-1]}, {json.dumps(NOT_FINITE)}: {json.dumps(lost)}}}"


class Timed(NamedTuple):
    """An event, and when it was told, in seconds since 1970."""

    time: float
    event: Event


def event_of(line: str | bytes, kinds: Collection[type[Event]]) -> Timed | None:
    """The event of a line; None for those of other kinds.

    Raises ValueError, TypeError or RecursionError for what is no event in every part.
    """
    text = line.encode() if isinstance(line, str) else line
    begins = _BEGINS.match(text)
    found: Any = {"time": float(begins[1]), "event": begins[2].decode()} if begins is not None else json.loads(text)
    name = found.get("event") if isinstance(found, dict) else None
    if not isinstance(name, str):
        raise TypeError("no event")
    if all(kind.__name__ != name for kind in kinds):
        return None
    if NOT_FINITE.encode() in text and NOT_FINITE in (whole := json.loads(text)):
        text = json.dumps(_with_lost(whole)).encode()
    at = found.get("time")
    return Timed(at if type(at) in {int, float} else 0.0, _reader(name).validate_json(text, strict=True))


@functools.cache
def _reader(name: str) -> TypeAdapter[Any]:
    """What checks a line of a kind: every value in the type that the event has it in."""
    return TypeAdapter(next(kind for kind in Event.__subclasses__() if kind.__name__ == name))


def _with_lost(found: dict[str, Any]) -> dict[str, Any]:
    """The same with the numbers that JSON has no word for. Raises ValueError and TypeError for places that are none."""
    lost = found.pop(NOT_FINITE)
    if not isinstance(lost, list):
        raise TypeError(NOT_FINITE)
    for place in lost:
        *way, last, name = place
        if name not in _NAMES:
            raise ValueError(name)
        inner: Any = found
        for key in way:
            inner = _inside(inner, key)
        if _inside(inner, last) is not None:
            raise ValueError(NOT_FINITE)
        inner[last] = float(name)
    return found


def _inside(value: Any, key: Any) -> Any:
    named = isinstance(value, dict) and isinstance(key, str) and key in value
    counted = isinstance(value, list) and type(key) is int and 0 <= key < len(value)
    if not (named or counted):
        raise ValueError(NOT_FINITE)
    return value[key]
