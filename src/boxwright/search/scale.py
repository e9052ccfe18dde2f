# SPDX-License-Identifier: Apache-2.0
"""A hyperparameter as a number between 0 and 1, so that a step is as long for a learning rate as for an angle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.search.study import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np

LOGARITHMIC_FROM = 4.0  # high over low: gains (0.5 to 2) and rates (1e-5 to 0.1) go by factors, momentum does not
DIGITS = 5  # significant ones, of what is written down


@dataclass(frozen=True)
class Scale:
    """Between the limits of a key. By factors where both limits are positive and far apart, otherwise by differences.

    A key that may be 0 goes by differences: it has to be able to leave 0, and to reach it.
    """

    low: float
    high: float

    @classmethod
    def of(cls, key: Key) -> Scale:
        """That of this key."""
        return cls(key.low, key.high)

    @property
    def is_logarithmic(self) -> bool:
        """Whether equal steps are equal factors."""
        return self.low > 0 and self.high >= LOGARITHMIC_FROM * self.low

    def unit(self, value: float) -> float:
        """The place of a value, 0 at the lower limit and 1 at the upper one. What lies beyond counts as the limit."""
        if self.high <= self.low:
            return 0.5
        inside = min(max(value, self.low), self.high)
        if self.is_logarithmic:
            return math.log(inside / self.low) / math.log(self.high / self.low)
        return (inside - self.low) / (self.high - self.low)

    def value(self, unit: float) -> float:
        """The value at a place, rounded as it will be written down, never beyond a limit."""
        if self.high <= self.low:
            return self.low
        if self.is_logarithmic:
            exact = self.low * (self.high / self.low) ** unit
        else:
            exact = self.low + unit * (self.high - self.low)
        return min(max(float(f"{exact:.{DIGITS}g}"), self.low), self.high)


@dataclass(frozen=True)
class Cube:
    """All keys that are searched: a set of hyperparameters as a point in the unit cube."""

    keys: tuple[Key, ...]

    def point(self, values: Mapping[str, float]) -> list[float]:
        """Where a set lies. A key that it lacks is a KeyError."""
        return [Scale.of(key).unit(values[key.name]) for key in self.keys]

    def values(self, point: Iterable[float] | np.ndarray) -> dict[str, float]:
        """The set at a point."""
        return {key.name: Scale.of(key).value(float(unit)) for key, unit in zip(self.keys, point, strict=True)}
