# SPDX-License-Identifier: Apache-2.0
"""What the trainers of the years evolved: keys with their gains and limits, and the constants around them. Data."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any, Literal

from boxwright.config import packaged
from boxwright.config.compat import current_name
from boxwright.config.hyperparameters import bounds_of
from boxwright.config.schema.run import EvolveSettings
from boxwright.documents import read_yaml
from boxwright.search.study import Key, MutationRules, PopulationRules

LIMITED = 3  # words of a row that has limits: gain, low, high


@dataclass(frozen=True)
class Table:
    """The keys of one year in the order of its hyperparameter files. One that does not evolve by itself has gain 0.

    `spelled` are names as that year's files have them, where they are others today.
    """

    name: str
    keys: tuple[Key, ...]
    spelled: dict[str, str] = field(default_factory=dict)
    mutation: MutationRules = field(default_factory=MutationRules)
    population: PopulationRules = field(default_factory=PopulationRules)

    def names(self) -> tuple[str, ...]:
        """All keys, as they are called today."""
        return tuple(key.name for key in self.keys)


@functools.cache
def table_of(name: str) -> Table:
    """The packaged table of a year: 7.0, 6.0, 2020.8 or 2020.7."""
    found = read_yaml(packaged.ROOT / "evolve" / f"{name}.yaml").mapping()
    limits = {key.name: key for key in table_of(found["limits_as"]).keys} if "limits_as" in found else {}
    return Table(
        name,
        tuple(_key(current_name(key), row, limits) for key, row in found["keys"].items()),
        {current_name(key): key for key in found["keys"] if current_name(key) != key},
        MutationRules(**found.get("mutation", {})),
        PopulationRules(**found.get("population", {})),
    )


def _key(name: str, row: Any, limits: dict[str, Key]) -> Key:
    """One row: its own limits, those of another table, or else whatever the setting itself can be."""
    if isinstance(row, list) and len(row) == LIMITED:
        gain, low, high = row
        return Key(name, float(low), float(high), float(gain))
    low, high = (limits[name].low, limits[name].high) if name in limits else bounds_of(name)
    return Key(name, low, high, float(row))


def mutation_rules(settings: EvolveSettings, parents: Literal["single", "weighted"] | None = None) -> MutationRules:
    """The constants of a mutation: those of the table, and the probability of the recipe."""
    rules = table_of(settings.evolve_table).mutation
    changed: dict[str, Any] = {"probability": settings.evolve_mutation_probability}
    return rules.model_copy(update=changed if parents is None else {**changed, "parents": parents})
