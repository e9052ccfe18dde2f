# SPDX-License-Identifier: Apache-2.0
"""The classes of weights beside those of data: whether they mean the same, and which belong together by name."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from boxwright.paths import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

ClassPairs = tuple[tuple[int, int], ...]

SHOWN = 10  # classes in a message
GENERATED = re.compile(r"(?:class[ _-]?)?(\d+)")  # what programs call classes that nobody named
MERGED = "item"  # what one class made of many is called


def is_named(names: Sequence[str]) -> bool:
    """Whether somebody gave these names: not when there are none, nor when each is only its number."""
    numbers = [GENERATED.fullmatch(name) for name in names]
    generated = all(found is not None and int(found[1]) == place for place, found in enumerate(numbers))
    return not generated and tuple(names) != (MERGED,)


def agree(theirs: Sequence[str], mine: Sequence[str]) -> bool:
    """Whether classes of weights (`theirs`) and of data can mean the same: name by name, or because weights have none.

    Case and spaces do not count, unless two names of a list differ in nothing else.
    """
    if list(theirs) == list(mine):
        return True
    if sorted(theirs) == sorted(mine):
        return False  # whatever they are called, they were put into another order
    if not is_named(theirs):
        return len(theirs) in {0, len(mine)}
    folded = [_folded(name) for name in theirs]
    return folded == [_folded(name) for name in mine] and len(set(folded)) == len(folded)


def same_classes(mine: Sequence[str], theirs: Sequence[str]) -> ClassPairs:
    """Pairs of class numbers, here and there, that bear the same name, each used once.

    Case and spaces count only where several names differ in nothing else.
    """
    places: dict[str, int] = {}
    for number, name in enumerate(theirs):
        places.setdefault(name, number)
    pairs = {number: places.pop(name) for number, name in enumerate(mine) if name in places}
    taken = set(pairs.values())
    folded: dict[str, int] = {}
    for number, name in enumerate(theirs):
        if number not in taken:
            folded.setdefault(_folded(name), number)
    for number, name in enumerate(mine):
        if number not in pairs and _folded(name) in folded:
            pairs[number] = folded.pop(_folded(name))
    return tuple(sorted(pairs.items()))


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


def beside(theirs: Sequence[str], mine: Sequence[str]) -> str:
    """Two lists of classes side by side, number by number: all of them when they are few, else those that differ."""
    pairs = [(number, *pair) for number, pair in enumerate(zip_longest(theirs, mine, fillvalue="-"))]
    rows = pairs if len(pairs) <= SHOWN else [row for row in pairs if row[1] != row[2]]
    shown = ", ".join(f"{number} {shortened(one)} / {shortened(other)}" for number, one, other in rows[:SHOWN])
    more = f", and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    moved = "; the same names in another order" if set(theirs) == set(mine) and len(theirs) == len(mine) else ""
    return f"{shown}{more}{moved}"
