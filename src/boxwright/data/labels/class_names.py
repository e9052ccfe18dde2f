# SPDX-License-Identifier: Apache-2.0
"""Names of classes and what is done to them on the way in: kept, dropped, merged, renamed.

No label file is touched for it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.documents import Document
from boxwright.errors import DataError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

DROPPED = -1
MAX_CLASSES = 100_000  # as in a network


@dataclass(frozen=True)
class ClassEdits:
    """`keep`: only these ('' = all). `drop`: not these.

    `merged`: old name -> new one, from `merge` and `rename` alike.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    merged: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str | None:
        """What a class is called afterwards; None when it is dropped."""
        if name in self._dropped or (self.keep and name not in self._kept):
            return None
        return self.merged.get(name, name)

    @functools.cached_property
    def _dropped(self) -> frozenset[str]:
        return frozenset(self.drop)

    @functools.cached_property
    def _kept(self) -> frozenset[str]:
        return frozenset(self.keep)


def read_edits(document: Document, raw: dict[str, Any], address: tuple[str | int, ...] = ()) -> ClassEdits:
    """keep, drop, merge and rename of a YAML. Raises DataError when their form is wrong."""
    lists = {key: _list(document, raw.get(key), (*address, key)) for key in ("keep", "drop")}
    merged: dict[str, str] = {}
    for key in ("merge", "rename"):
        stated = raw.get(key) or {}
        if not isinstance(stated, dict):
            form = "new: [old, old]" if key == "merge" else "old: new"
            raise DataError(document.place(*address, key), f"{key} is {stated!r}", f"Write '{form}' lines")
        if key == "merge":
            merged |= {
                old: str(new) for new, olds in stated.items() for old in _list(document, olds, (*address, key, new))
            }
        else:
            merged |= {str(old): str(new) for old, new in stated.items()}
    return ClassEdits(lists["keep"], lists["drop"], merged)


def _list(document: Document, stated: Any, address: tuple[str | int, ...]) -> tuple[str, ...]:
    if stated is None:
        return ()
    if not isinstance(stated, list):
        raise DataError(document.place(*address), f"'{address[-1]}' is {stated!r}", "Give a list of class names")
    return tuple(document.texts.get((*address, i), str(name)) for i, name in enumerate(stated))


def require_known(document: Document, edits: ClassEdits, names: tuple[str, ...]) -> None:
    """Refuse names that no class has. Raises DataError."""
    known = frozenset(names)
    for key, stated in (("keep", edits.keep), ("drop", edits.drop), ("merge or rename", tuple(edits.merged))):
        for name in stated:
            if name not in known:
                near = nearest(name, names)
                raise DataError(
                    document.name,
                    f"'{key}' names a class '{name}' that is not there",
                    f"Did you mean '{near}'?" if near else _known(names),
                )


def _known(names: tuple[str, ...]) -> str:
    return f"Classes: {', '.join(names)}"


def edited(names: tuple[str, ...], edits: ClassEdits) -> tuple[str, ...]:
    """The names afterwards, in order of their first member."""
    return tuple(dict.fromkeys(new for name in names if (new := edits.of(name)) is not None))


def class_map(names: tuple[str, ...], edits: tuple[ClassEdits, ...], final: tuple[str, ...]) -> np.ndarray:
    """The final number of every native class, DROPPED for those that go. (C,) int32.

    Raises KeyError for a name that has no number.
    """
    numbers = {name: number for number, name in enumerate(final)}
    found = []
    for name in names:
        new: str | None = name
        for edit in edits:
            new = edit.of(new) if new is not None else None
        found.append(DROPPED if new is None else numbers[new])
    return np.array(found, np.int32)


# -- names in a YAML


def read_names(document: Document, raw: dict[str, Any]) -> tuple[str, ...]:
    """The names of the classes. Raises DataError when there are none, a number is missing, or nc disagrees."""
    listed = raw.get("names")
    count = raw.get("nc")
    if listed is None:
        raise DataError(document.place("names"), "the classes have no names", "Add 'names:' with one name per class")
    if isinstance(listed, dict):
        names = _from_mapping(document, listed)
    elif isinstance(listed, list) and listed:
        names = tuple(_name(document, i, name) for i, name in enumerate(listed))
    else:
        raise DataError(
            document.place("names"), f"names are {listed!r}", "Give a list of names, or 'number: name' lines"
        )
    if len(names) > MAX_CLASSES:
        raise DataError(
            document.place("names"), f"there are {len(names)} names", f"A data set has at most {MAX_CLASSES} classes"
        )
    if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count != len(names)):
        raise DataError(
            document.place("nc"), f"nc is {count!r}, but names lists {len(names)}", "Make them agree, or leave nc out"
        )
    return names


def _from_mapping(document: Document, listed: dict[Any, Any]) -> tuple[str, ...]:
    numbers = {key for key in listed if isinstance(key, int)}
    if len(numbers) != len(listed) or not numbers:
        odd = next((key for key in listed if not isinstance(key, int)), "")
        raise DataError(
            document.place("names"), f"'{odd}' is no class number", "Write 'number: name' lines, numbered from 0"
        )
    lowest, highest = min(numbers), max(numbers)
    if lowest < 0 or highest != len(numbers) - 1:  # counted, not listed: a number may be anything
        absent = lowest if lowest < 0 else next(number for number in range(len(numbers)) if number not in numbers)
        raise DataError(
            document.place("names"),
            f"names has no class {absent}",
            f"Number the {len(numbers)} classes from 0 without gaps",
        )
    return tuple(_name(document, number, listed[number]) for number in sorted(numbers))


def _name(document: Document, number: int, name: Any) -> str:
    """A name as it was written."""
    if isinstance(name, list | dict):
        raise DataError(
            document.place("names", number),
            f"the name of class {number} is a {'list' if isinstance(name, list) else 'mapping'}",
            "Write a word",
        )
    return document.texts.get(("names", number), str(name))
