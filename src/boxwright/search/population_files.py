# SPDX-License-Identifier: Apache-2.0
"""The sets that a population begins with, from a folder or a saved one, and the population as it is saved."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.config import packaged
from boxwright.config.compat import current_name
from boxwright.documents import Document, read_yaml
from boxwright.errors import DataError, SettingError
from boxwright.paths import entries_of, is_file, is_folder, shortened
from boxwright.search.job import Result
from boxwright.search.population import newest_generation
from boxwright.search.ranking import within
from boxwright.search.space import ANCHORS, ANCHORS_AT_START
from boxwright.search.study import Key, StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INDIVIDUAL = re.compile(r"gen([0-9]{1,9})number([0-9]{1,9})")


def first_sets(keys: Sequence[Key], folder: str = "", saved: str = "") -> tuple[dict[str, float], ...]:
    """The sets that a population begins with, within the limits of their keys.

    From a `saved` population, or from the hyperparameter files of a folder, sorted by name; without both, from those
    packaged ones that name every key. Raises SettingError for a place that is none and DataError for a set that is
    none.
    """
    if folder and saved:
        raise SettingError(
            f"--resume_evolve {saved}", "and --evolve_population are two beginnings", "Leave one of them out"
        )
    if saved:
        return _sets_of_population(keys, saved)
    return _sets_of_folder(keys, folder) if folder else _packaged_sets(keys)


def population_document(plan: StudyPlan, done: Mapping[str, Result]) -> dict[str, dict[str, float]]:
    """The newest generation whose sets are known, as it is saved; {} for the first one, which nothing was made from."""
    generation, sets = newest_generation(plan, done)
    return {f"gen{generation}number{i}": values for i, values in enumerate(sets)} if generation else {}


def _packaged_sets(keys: Sequence[Key]) -> tuple[dict[str, float], ...]:
    """Those of the packaged sets that name every key; older ones lack some."""
    documents = [read_yaml(packaged.locate("hyps", name, "hyp")) for name in packaged.names("hyps")]
    return tuple(_set(keys, one, ()) for one in documents if not _lacking(keys, one.mapping()))


def _sets_of_folder(keys: Sequence[Key], folder: str) -> tuple[dict[str, float], ...]:
    flag = f"--evolve_population {folder}"
    if not is_folder(Path(folder)):
        raise SettingError(flag, "is no folder", "Name a folder of hyperparameter files")
    paths = sorted(path for path in entries_of(Path(folder)) if path.suffix.lower() in {".yaml", ".yml"})
    if not paths:
        raise SettingError(flag, "holds no .yaml file", "Put hyperparameter files into it")
    return tuple(_set(keys, read_yaml(path), ()) for path in paths)


def _sets_of_population(keys: Sequence[Key], saved: str) -> tuple[dict[str, float], ...]:
    """The sets of the last generation in a file."""
    if not is_file(Path(saved)):
        raise SettingError(
            f"--resume_evolve {saved}", "is no file", "Name an evolve_population.yaml of an earlier evolution"
        )
    document = read_yaml(Path(saved))
    places: dict[tuple[int, int], str] = {}
    for name in document.mapping():
        matched = _INDIVIDUAL.fullmatch(str(name))
        if matched is None:
            raise DataError(
                document.place(name),
                f"'{shortened(str(name))}' is no individual of a population",
                "Individuals are called gen<generation>number<number>",
            )
        places[int(matched[1]), int(matched[2])] = name
    last = max((generation for generation, _ in places), default=0)
    return tuple(_set(keys, document, (places[place],)) for place in sorted(places) if place[0] == last)


def _lacking(keys: Sequence[Key], found: Mapping[str, object]) -> list[str]:
    """Keys that a set does not name. How many anchors there are need not be said."""
    named = {current_name(str(name)) for name in found}
    return [key.name for key in keys if key.name not in named and key.name != ANCHORS]


def _set(keys: Sequence[Key], document: Document, address: tuple[str, ...]) -> dict[str, float]:
    """The values of the keys in one mapping of a file; what else stands there is for others."""
    found: Any = document.mapping()
    where = document.place(*address) if address else document.name
    for word in address:
        found = found[word]
    if not isinstance(found, dict):
        raise DataError(where, "is no set of 'key: value' lines", "Write one 'key: value' per line")
    if lacking := _lacking(keys, found):
        raise DataError(
            where,
            f"does not name {', '.join(lacking)}, which evolve{'s' * (len(lacking) == 1)}",
            "Give it a value, or evolve other keys",
        )
    named = {current_name(str(name)): (name, value) for name, value in found.items()}
    values = {}
    for key in keys:
        name, value = named.get(key.name, ("", 0.0))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(
                document.place(*address, name), f"{name} is {shortened(repr(value))}, not a number", "Write a number"
            )
        values[key.name] = within(key, value or ANCHORS_AT_START if key.name == ANCHORS else value)
    return values
