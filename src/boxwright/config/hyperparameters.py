# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters that are numbers: which ones there are, and what each can be at all."""

from __future__ import annotations

from typing import NamedTuple

from boxwright.config.schema.train import TrainSettings
from boxwright.config.setting import spelling_of

STEP = 1e-5  # how near one comes to a bound that is none of the values


class Bounds(NamedTuple):
    """The lowest and the highest value of a setting, both inclusive."""

    low: float
    high: float


def numbers() -> tuple[str, ...]:
    """The names of all hyperparameters that are one number."""
    return tuple(
        name
        for name, field in TrainSettings.model_fields.items()
        if spelling_of(field).kind == "hyp" and isinstance(field.default, float)
    )


def bounds_of(name: str) -> Bounds:
    """What a hyperparameter can be, as the schema says. Raises KeyError for what is none."""
    found: dict[str, float] = {}
    for bound in TrainSettings.model_fields[name].metadata:
        for word, step in (("ge", 0.0), ("gt", STEP), ("le", 0.0), ("lt", -STEP)):
            value = getattr(bound, word, None)
            if value is not None:
                found["low" if word[0] == "g" else "high"] = round(value + step, 5)
    return Bounds(found["low"], found["high"])
