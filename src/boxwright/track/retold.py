# SPDX-License-Identifier: Apache-2.0
"""Events out of the event log, with every value of the kind that it had when it was told."""

from __future__ import annotations

import types
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from boxwright.track.events import ClassResult, EpochEnded, Event, LabelsCounted, Pictured, RunStarted, StepLogged, Validated

KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in (RunStarted, EpochEnded, StepLogged, Validated, Pictured, LabelsCounted)}
HINTS: dict[type, dict[str, Any]] = {kind: get_type_hints(kind) for kind in (*KINDS.values(), ClassResult)}
START: dict[str, Any] = {"folder": "", "lines": [], "epochs": 0}  # what a start tells people; without it, it still takes epochs back
LARGEST = 1 << 53  # whole numbers below it are numbers in every program

Told = TypeVar("Told")


def told_in(found: dict[str, Any]) -> Event | None:
    """The event of a line; None for one that nothing is made from. Raises ValueError, KeyError or TypeError for one that was never told."""
    kind = KINDS.get(str(found["event"]))
    if kind is None:
        return None
    needless = START if kind is RunStarted else {}
    return _made(kind, {**needless, **{key: value for key, value in found.items() if key not in {"event", "time"}}})


def _made(kind: type[Told], values: dict[str, Any]) -> Told:
    """An object of this kind. What an older program did not tell has its default; a value of another kind raises ValueError."""
    hints = HINTS[kind]
    return kind(**{name: _fitted(value, hints[name], name) for name, value in values.items()})


def _fitted(value: Any, hint: Any, name: str) -> Any:
    """A value of JSON as what the hint asks for. Raises ValueError."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if origin in {Union, types.UnionType}:
        return None if value is None and type(None) in inner else _fitted(value, next(one for one in inner if one is not type(None)), name)
    if origin is tuple and isinstance(value, list) and (inner[-1] is Ellipsis or len(inner) == len(value)):
        return tuple(_fitted(one, inner[0], name) for one in value)
    if origin is dict and isinstance(value, dict):
        return {key: _fitted(one, inner[1], name) for key, one in value.items()}
    if hint is ClassResult and isinstance(value, dict):
        return _made(ClassResult, value)
    whole = type(value) is int and abs(value) < LARGEST
    if whole if hint is int else (whole and hint is float) or type(value) is hint:
        return value
    raise ValueError(f"{name} is no {hint}")
