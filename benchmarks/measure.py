# SPDX-License-Identifier: Apache-2.0
"""Two sides, alternating, CPU seconds, medians."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Result:
    """`ratio` is textbook / ours unless `lower_is_better`, where it is ours / theirs.

    `goal` is what it has to reach.
    """

    name: str
    ours_ms: float
    theirs_ms: float
    ratio: float
    low: float
    high: float
    goal: float
    lower_is_better: bool = False
    note: str = ""

    @property
    def reached(self) -> bool:
        return self.ratio <= self.goal if self.lower_is_better else self.ratio >= self.goal


def against(
    name: str,
    ours: Callable[[], object],
    textbook: Callable[[], object],
    *,
    goal: float,
    rounds: int = 7,
    clock: Callable[[], float] = time.process_time,
    note: str = "",
) -> Result:
    """The ratio textbook / ours, pair by pair; the median counts, the spread is shown."""
    return paired(name, _pairs(ours, textbook, rounds, clock), goal=goal, note=note)


def paired(name: str, pairs: list[tuple[float, float]], *, goal: float, note: str = "") -> Result:
    """The same from pairs (ours, textbook) that were timed elsewhere."""
    return _result(name, pairs, [theirs / mine for mine, theirs in pairs], goal, lower=False, note=note)


def share_of(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    goal: float,
    rounds: int = 7,
    clock: Callable[[], float] = time.process_time,
    note: str = "",
) -> Result:
    """The ratio ours / theirs, for costs that have to stay a share of something."""
    return shares(name, _pairs(ours, theirs, rounds, clock), goal=goal, note=note)


def shares(name: str, pairs: list[tuple[float, float]], *, goal: float, note: str = "") -> Result:
    """The same from pairs (ours, theirs) that were timed elsewhere."""
    return _result(name, pairs, [mine / other for mine, other in pairs], goal, lower=True, note=note)


def _pairs(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int, clock: Callable[[], float]
) -> list[tuple[float, float]]:
    ours(), theirs()
    return [(_timed(ours, clock), _timed(theirs, clock)) for _ in range(rounds)]


def _timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    gc.collect()
    begin = clock()
    work()
    return clock() - begin


def _result(
    name: str, pairs: list[tuple[float, float]], ratios: list[float], goal: float, *, lower: bool, note: str
) -> Result:
    mine, theirs = (statistics.median(side) * 1e3 for side in zip(*pairs, strict=True))
    return Result(name, mine, theirs, statistics.median(ratios), min(ratios), max(ratios), goal, lower, note)
