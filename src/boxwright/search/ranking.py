# SPDX-License-Identifier: Apache-2.0
"""Which trials count, and which one is the best that was ever seen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from boxwright.search.job import Result, Stage
from boxwright.search.study import Key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OLD = "old-"  # begins the names of trials that an earlier record brought along


def is_old(result: Result) -> bool:
    """Whether this is a trial of an earlier record, which no plan of ours made."""
    return result.job.name.startswith(OLD)


def trials(done: Mapping[str, Result]) -> list[Result]:
    """All trials, failed ones too: those of earlier records first, then by number.

    Of a trial that was trained in several parts the longest one counts.
    """
    found: dict[tuple[bool, int, str], Result] = {}
    for result in sorted(done.values(), key=lambda one: (one.job.epochs, one.job.name)):
        if result.job.stage is Stage.TRIAL:
            old = is_old(result)
            found[not old, result.job.trial, result.job.name if old else ""] = result
    return [found[place] for place in sorted(found)]


def measured(done: Mapping[str, Result]) -> list[Result]:
    """Trials that came to a number."""
    return [result for result in trials(done) if not result.is_failed and math.isfinite(result.fitness)]


def ranked(results: Iterable[Result]) -> list[Result]:
    """The best first; of equal ones the earliest. The same order on every machine."""
    return sorted(results, key=lambda one: (-one.fitness, not is_old(one), one.job.trial, one.job.name))


def best_of(done: Mapping[str, Result]) -> Result | None:
    """The best trial ever seen; None while there is none that came to a number."""
    return next(iter(ranked(measured(done))), None)


def within(key: Key, value: float) -> float:
    """A value brought within the limits of its key."""
    return min(max(float(value), key.low), key.high)
