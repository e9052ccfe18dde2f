# SPDX-License-Identifier: Apache-2.0
"""What a study searches, from where, and what stays as it is and why, with a way out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from boxwright.config.compat import current_name
from boxwright.errors import SettingError, nearest
from boxwright.search.ranking import within
from boxwright.search.study import Key
from boxwright.search.tables import Table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ANCHORS = "anchors"
ANCHORS_AT_START = 3.0  # per level, where the hyperparameters name none
STARTS_AT = 0.1  # of the upper limit: what is offered for a key that is 0


class Frozen(NamedTuple):
    """A key that stays as it is, why, and what would make it move ('' where nothing would)."""

    name: str
    why: str
    way_out: str = ""


@dataclass(frozen=True)
class Space:
    """`start` are all keys of the table with the user's values, `keys` those that move, `stays` the others.

    `notes` are lines about values that lie outside of the limits.
    """

    start: dict[str, float]
    keys: tuple[Key, ...]
    stays: tuple[Frozen, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What is searched and what stays, for the console."""
        moving = (f"{key.name} {self.start[key.name]:g} ({key.low:g} to {key.high:g})" for key in self.keys)
        lines = [f"searched ({len(self.keys)}): {', '.join(moving)}", *self.notes]
        for why in dict.fromkeys(one.why for one in self.stays):
            these = [one for one in self.stays if one.why == why]
            names = ", ".join(_with_value(one.name, self.start) for one in these)
            ways = _together(one.way_out for one in these)
            lines.append(f"stays ({len(these)}): {names}: {why}.{' ' * bool(ways)}{ways}")
        return lines


def _together(ways: Iterable[str]) -> str:
    """Ways out as few sentences: what is the same before a colon is said once."""
    found: dict[str, list[str]] = {}
    for way in filter(None, ways):
        begin, _, end = way.partition(": ")
        words = found.setdefault(begin, [])
        words += [end] if end and end not in words else []
    return " ".join(f"{begin}{': ' * bool(words)}{' '.join(words)}." for begin, words in found.items())


def _with_value(name: str, start: Mapping[str, float]) -> str:
    return f"{name} {start[name]:g}" if name in start else name


def space_of(
    table: Table,
    hyperparameters: Mapping[str, object],
    *,
    method: Literal["mutation", "population", "search"],
    chosen: Sequence[str] = (),
    noautoanchor: bool = False,
    without_effect: Mapping[str, tuple[str, str]] | None = None,
    flag: str = "--evolve-keys",
) -> Space:
    """The space of a study.

    `hyperparameters` are the user's, by today's names; others than those of the table are passed over. `chosen` are
    keys that the user wants to move, instead of those that do by themselves; `flag` is what they are called in
    messages. `without_effect`: keys that nothing reads under the other settings, with (why, way out). Raises
    SettingError for a key that the table does not have, and where nothing moves.
    """
    wanted = _wanted(table, chosen, flag)
    start = _start(table, hyperparameters, noautoanchor=noautoanchor, anchored=ANCHORS in wanted)
    idle = dict(without_effect or {})
    if noautoanchor:
        idle.setdefault(ANCHORS, ("anchors are not fitted with noautoanchor", "Leave --noautoanchor out"))
    others = (f"not among the keys that table {table.name} moves", f"Name those that should with {flag}")
    keys, stays = [], []
    for key in table.keys:
        frozen = _why_frozen(key, start, wanted, idle, ("not chosen", "") if chosen else others)
        if frozen is None and method == "mutation" and within(key, start[key.name]) == 0:
            way_out = f"Give a start value: {key.name}={_offered(key)}"
            frozen = Frozen(key.name, "0, and a factor never moves 0", way_out)
        if frozen is not None:
            stays += [frozen] if key.name in wanted or key.name in start else []
        else:
            keys.append(key._replace(gain=key.gain or 1.0))
    if not keys:
        whys = "; ".join(f"{one.name}: {one.why}" for one in stays if one.name in wanted)
        where = f"{flag} {' '.join(chosen)}" if chosen else f"evolve_table {table.name}"
        ways = _together(one.way_out for one in stays if one.name in wanted)
        raise SettingError(where, f"no key can move ({whys})", ways or f"Name keys that can with {flag}")
    notes = [_outside(key, start[key.name]) for key in keys] if method == "mutation" else []
    return Space(start, tuple(keys), tuple(stays), tuple(filter(None, notes)))


def _wanted(table: Table, chosen: Sequence[str], flag: str) -> set[str]:
    """The keys that should move."""
    known = table.names()
    for word in chosen:
        if current_name(word) not in known:
            near = nearest(current_name(word), known)
            hint = f"Did you mean '{near}'? " if near else ""
            raise SettingError(
                f"{flag} {word}", f"is none of the keys of table {table.name}", f"{hint}They are {', '.join(known)}"
            )
    return {current_name(word) for word in chosen} or {key.name for key in table.keys if key.gain}


def _start(
    table: Table, hyperparameters: Mapping[str, object], *, noautoanchor: bool, anchored: bool
) -> dict[str, float]:
    """The user's values of the keys of the table, in its order. A number of anchors is added where one is to move."""
    start = {}
    for name in table.names():
        value = hyperparameters.get(name)
        number = float(value) if isinstance(value, int | float) else None
        if name == ANCHORS and not number:  # absent, or 0: those of the network
            number = ANCHORS_AT_START if anchored and not noautoanchor else None
        if number is not None:
            start[name] = number
    return start


def _why_frozen(
    key: Key,
    start: Mapping[str, float],
    wanted: set[str],
    idle: Mapping[str, tuple[str, str]],
    others: tuple[str, str],
) -> Frozen | None:
    """Why a key stays whatever its value; `others` is said of keys that nobody wants to move."""
    if key.name in idle:
        return Frozen(key.name, *idle[key.name])
    if key.name not in wanted:
        return Frozen(key.name, *others)
    if key.name not in start:
        return Frozen(key.name, "not among the hyperparameters", f"Give a value in the --hyp file: {key.name}")
    return None


def _offered(key: Key) -> str:
    """A start value for a key that is 0: small, and within the limits that the years agree on."""
    usual = {one.name: one.high for one in table_of("6.0").keys}
    return f"{float(f'{min(key.high, usual.get(key.name, key.high)) * STARTS_AT:.1g}'):g}"


def _outside(key: Key, value: float) -> str:
    if key.low <= value <= key.high:
        return ""
    side, limit = ("below", key.low) if value < key.low else ("above", key.high)
    return f"{key.name} {value:g} lies {side} its limit: the first trial has {limit:g}"
