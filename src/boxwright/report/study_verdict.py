# SPDX-License-Identifier: Apache-2.0
"""The verdict of a study on its page: the answer, and the interval of every finalist as a bar on a common axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.report.page import UNKNOWN
from boxwright.report.study_content import StageCost, StudyTrial, StudyVerdict
from boxwright.report.study_numbers import counted, duration, finite, fitness_of, judges, number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = (1, 2, 5, 10)  # of an axis, times a power of ten
MAX_TICKS = 4
EDGE = 0.04  # of an axis, beyond what stands on it


class _Axis(NamedTuple):
    """A line of numbers as wide as the page: where a number stands is a share of it in percent."""

    low: float
    high: float

    @classmethod
    def over(cls, values: Sequence[float]) -> _Axis:
        low, high = min(values), max(values)
        edge = (high - low or 1.0) * EDGE
        return cls(low - edge, high + edge)

    def place(self, value: float) -> float:
        return round(100 * (value - self.low) / (self.high - self.low), 3)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers and where they stand."""
        rough = (self.high - self.low) / MAX_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(one * power for one in STEPS if one * power >= rough * 0.999)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        whole = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [(self.place(i * step), f"{i * step:+.{digits}f}" if i else "0") for i in whole]


def verdict_shown(given: StudyVerdict, trials: Sequence[StudyTrial]) -> dict[str, Any]:
    """The answer, and every finalist with its interval on a common axis."""
    finalists = given.get("finalists") or []
    start = (given.get("start") or {}).get("values") or {}
    gaps = [_gaps(one.get("values") or {}, start, trials) if start else [] for one in finalists]
    ends = [finite(one["difference"][name]) for one in finalists for name in ("value", "low", "high")]
    axis = _Axis.over([0.0, *(end for end in ends if end is not None), *(gap for each in gaps for _, gap in each)])
    rows = []
    for one, each in zip(finalists, gaps, strict=True):
        effect, low, high = (finite(one["difference"][name]) for name in ("value", "low", "high"))
        bar = None if low is None or high is None else (axis.place(low), round(axis.place(high) - axis.place(low), 3))
        rows.append(
            {
                "trial": one["trial"],
                "word": one.get("verdict", ""),
                "effect": number(effect, "+.4f"),
                "interval": UNKNOWN if low is None or high is None else f"{low:+.4f} to {high:+.4f}",
                "probability": percent(finite(one["probability"])),
                "won": f"{one['won']} of {one['pairs']}" if "won" in one and "pairs" in one else "",
                "bar": bar,
                "at": None if effect is None else axis.place(effect),
                "gaps": [(axis.place(gap), f"seed {seed}: {gap:+.4f}") for seed, gap in each],
                "is_better": one["trial"] == given["winner"] or one.get("verdict") == "better",
            }
        )
    return {
        "claimed": given["winner"] is not None,
        "answer": given["answer"],
        "seeds": given.get("seeds"),
        "rows": rows,
        "zero": axis.place(0.0),
        "ticks": axis.ticks(),
        "costs": [(stage, _words(cost)) for stage, cost in (given.get("cost") or {}).items()],
    }


def _words(cost: StageCost) -> str:
    spent = counted(cost["trainings"], "training"), counted(cost["epochs"], "epoch"), duration(cost["seconds"])
    return ", ".join(spent)


def _gaps(values: dict[str, float], start: dict[str, float], trials: Sequence[StudyTrial]) -> list[tuple[int, float]]:
    """Seed and difference of fitness of every pair of trainings: one with these values, one with the start set."""

    def by_seed(wanted: dict[str, float]) -> dict[int, float]:
        mine = [one for one in trials if judges(one) and one.get("values") == wanted]
        return {one.get("seed", 0): fitness for one in mine if (fitness := fitness_of(one)) is not None}

    before, after = by_seed(start), by_seed(values)
    return [(seed, fitness - before[seed]) for seed, fitness in after.items() if seed in before]
