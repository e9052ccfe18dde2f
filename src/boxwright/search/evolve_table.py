# SPDX-License-Identifier: Apache-2.0
"""evolve.csv, and evolve.txt of 2020: one row per trial, seven results and then all hyperparameters.

Made whole from what is known, at any time; the same trials give the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.search.job import Result
from boxwright.search.ranking import trials
from boxwright.search.study import StudyPlan
from boxwright.track.events import RESULT_KEYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RESULTS = RESULT_KEYS[3:10]  # precision, recall, both mAPs, three validation losses
WIDTH, DIGITS = 20, 5  # of a cell of evolve.csv
TEXT_WIDTH, TEXT_DIGITS = 10, 4  # of one of evolve.txt


def csv_text(plan: StudyPlan, done: Mapping[str, Result], spelled: Mapping[str, str]) -> str:
    """The table with names of columns, cells of 20 characters, five significant digits. `spelled`: as its year does."""
    names = columns_of(plan, done)
    head = [f"{name:>{WIDTH}}" for name in (*RESULTS, *(spelled.get(name, name) for name in names))]
    rows = [[f"{value:>{WIDTH}.{DIGITS}g}" for value in row_of(plan, result, names)] for result in trials(done)]
    return "".join(f"{','.join(cells)}\n" for cells in (head, *rows))


def plain_text(plan: StudyPlan, done: Mapping[str, Result]) -> str:
    """The table as in 2020: no names, cells of ten characters, four significant digits, the keys of that year alone."""
    rows = [row_of(plan, result, tuple(plan.start)) for result in trials(done)]
    return "".join("".join(f" {value:>{TEXT_WIDTH - 1}.{TEXT_DIGITS}g}" for value in row) + "\n" for row in rows)


def columns_of(plan: StudyPlan, done: Mapping[str, Result]) -> tuple[str, ...]:
    """The hyperparameters in the order of the plan, and behind them those that only earlier records have."""
    others = (name for result in trials(done) for name in result.job.values if name not in plan.start)
    return (*plan.start, *dict.fromkeys(others))


def values_of(plan: StudyPlan, result: Result) -> dict[str, float]:
    """All hyperparameters of a trial: those that moved, and those that stayed."""
    return {**plan.start, **result.job.values}


def row_of(plan: StudyPlan, result: Result, names: Sequence[str]) -> list[float]:
    """The numbers of a trial. What was not measured is 0, so that every program can read the row."""
    values = values_of(plan, result)
    measured = [0.0 if result.is_failed else result.results.get(name) or 0.0 for name in RESULTS]
    return [*measured, *(_number(values.get(name, plan.settings.get(name))) for name in names)]


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
