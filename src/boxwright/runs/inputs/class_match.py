# SPDX-License-Identifier: Apache-2.0
"""Weights meet data: their classes have to be the same ones, or somebody says how they belong together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from boxwright.data.index.selection import with_classes
from boxwright.errors import SettingError
from boxwright.model.class_names import agree, beside, is_named, same_classes
from boxwright.runs.inputs.open_data import OpenData
from boxwright.runs.inputs.weight_files import OpenWeights

if TYPE_CHECKING:
    from collections.abc import Sequence

Matching = Literal["refuse", "position", "name"]
WAYS = "Give --match-names to go by name, or --names-by-position if classes of one number are the same thing"
NO_CLASS = -1


class _Settings(Protocol):
    @property
    def names_by_position(self) -> bool: ...
    @property
    def match_names(self) -> bool: ...


def matching_of(settings: _Settings) -> Matching:
    """How classes that are called differently belong together. Raises SettingError for two answers."""
    if settings.names_by_position and settings.match_names:
        raise SettingError(
            "--names-by-position + --match-names",
            "classes go by number or by name, not by both",
            "Leave one of them out",
        )
    return "position" if settings.names_by_position else "name" if settings.match_names else "refuse"


def require_names(names: Sequence[str], where: str) -> None:
    """Refuse to go by names that nobody gave. Raises SettingError."""
    if not is_named(names):
        raise SettingError("--match-names", f"{where} does not name its classes", "Leave --match-names out")


def require_same(theirs: Sequence[str], mine: Sequence[str], where: str, data: str) -> None:
    """Refuse classes that are called differently. `where` are the weights. Raises SettingError."""
    if not agree(theirs, mine):
        what = f"its classes are not those of {data} (number, weights / data: {beside(theirs, mine)})"
        raise SettingError(where, what, WAYS)


def columns(
    theirs: Sequence[str], mine: Sequence[str], where: str, data: str, matching: Matching
) -> tuple[int, ...] | None:
    """For each class of the data its number in the weights, NO_CLASS for one they do not know; None: as it is.

    Raises SettingError where classes differ and nobody said what to do.
    """
    if matching == "refuse":
        require_same(theirs, mine, where, data)
    if matching != "name" or list(theirs) == list(mine):
        return None
    require_names(theirs, where)
    pairs = dict(same_classes(mine, theirs))
    if not pairs:
        what = f"none of its classes bears a name of {data} (number, weights / data: {beside(theirs, mine)})"
        raise SettingError(where, what, "Give the data set it was trained for")
    return tuple(pairs.get(number, NO_CLASS) for number in range(len(mine)))


def together(weights: OpenWeights, names: Sequence[str], first: str, matching: Matching) -> tuple[int, ...] | None:
    """The same for weights that predict together with others, whose file is `first` and whose `names` are used."""
    asked: Matching = "position" if matching == "refuse" and not is_named(names) else matching
    return columns(weights.names, names, str(weights.path), first, asked)


def about_columns(found: tuple[int, ...] | None, names: Sequence[str], where: str) -> list[str]:
    """What to say of classes that go by name."""
    if found is None:
        return []
    unknown = [name for name, column in zip(names, found, strict=True) if column == NO_CLASS]
    more = f"; never found, since it does not know them: {', '.join(unknown)}" if unknown else ""
    return [f"{where}: {len(names) - len(unknown)} of {len(names)} classes go by name{more}"]


def as_in_run(data: OpenData, names: Sequence[str], matching: Matching) -> OpenData:
    """The data of a run that goes on, its classes numbered as the run had them where names say which are which."""
    pairs = dict(same_classes(names, data.names))
    if matching != "name" or list(names) == list(data.names) or not len(pairs) == len(names) == len(data.names):
        return data
    numbers = np.zeros(len(names), np.int32)
    for number, place in pairs.items():
        numbers[place] = number
    splits = {split: with_classes(index, numbers) for split, index in data.splits.items()}
    return replace(data, splits=splits, names=tuple(names))
