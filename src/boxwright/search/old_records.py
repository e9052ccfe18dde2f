# SPDX-License-Identifier: Apache-2.0
"""An evolve.csv or evolve.txt that is already there, of whatever program: its rows as results of earlier trials."""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from boxwright.config.compat import current_name
from boxwright.config.hyperparameters import Bounds, bounds_of, numbers
from boxwright.errors import DataError, printable
from boxwright.metrics.scores import fitness
from boxwright.paths import read_regular, shortened
from boxwright.search.evolve_table import DIGITS, RESULTS, TEXT_DIGITS, TEXT_WIDTH, row_of
from boxwright.search.job import Job, Result, Stage
from boxwright.search.ranking import OLD
from boxwright.search.study import StudyPlan
from boxwright.search.tables import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

MAX_BYTES = 64 << 20  # a hundred thousand trials
SHARES = 4  # the first so many results are shares: precision, recall, both mAPs
NAMED_LINES = 5  # of those that are passed over
DIGEST_BYTES = 5
ADDED_LATER = ("anchors", "copy_paste")  # keys of table 6.0 that files of the time between do not have


@dataclass(frozen=True)
class OldRecord:
    """The trials of a file, in its order, and lines about what in it is no trial."""

    results: tuple[Result, ...] = ()
    notes: tuple[str, ...] = ()


class _Table(NamedTuple):
    """Hyperparameters of the columns ('' for one that is none) and every row: its line and, if whole, its numbers."""

    names: tuple[str, ...]
    rows: list[tuple[int, list[float]]]


def fitness_of(results: Sequence[float]) -> float:
    """Of the seven results, as everywhere."""
    return fitness(tuple(results[:SHARES]))


def read_old(
    path: Path,
    plan: StudyPlan | None = None,
    done: Mapping[str, Result] | None = None,
    judge: Callable[[Sequence[float]], float] = fitness_of,
) -> OldRecord:
    """The rows of a file as results, without those that are `done` already. A file that is not there has none.

    A result is named after what its row says, so that whoever reads the same file, or a copy of it, finds the same
    ones. `judge` makes the fitness of the seven results. Rows that are not whole are passed over with a note. Raises
    DataError for a file that is no such record.
    """
    text = _text(path)
    is_csv = path.suffix.lower() == ".csv"
    table = _with_names(path, text) if is_csv else _without_names(path, text)
    kept = [place for place, name in enumerate(table.names) if name]
    names = [table.names[place] for place in kept]
    digits = DIGITS if is_csv else TEXT_DIGITS
    ours = [one for one in (done or {}).values() if one.job.stage is Stage.TRIAL] if plan else []
    counted = Counter(_cells(row_of(plan, one, names), digits) for one in ours if plan)
    seen: Counter[tuple[str, ...]] = Counter()
    bounds = [bounds_of(name) for name in names]
    found, broken = [], []
    for line, row in table.rows:
        numbers_of_row = [*row[: len(RESULTS)], *(row[len(RESULTS) + place] for place in kept)] if row else []
        if not _is_trial(bounds, numbers_of_row):
            broken.append(line)
            continue
        cells = _cells(numbers_of_row, digits)
        seen[cells] += 1
        if seen[cells] > counted[cells]:
            found.append((line, numbers_of_row, _name(names, cells, seen[cells])))
    if broken and len(broken) == len(table.rows):
        raise DataError(f"{path}:{broken[0]}", "is no trial of an evolution, nor is any other row", _remedy(path))
    results = [
        _result(f"line {line} of {path.name}", name, place - len(found), names, row, judge)
        for place, (line, row, name) in enumerate(found)
    ]
    return OldRecord(tuple(results), (*_unknown(path, text, table), *_passed_over(path, broken)))


def _text(path: Path) -> str:
    if not path.exists():
        return ""
    try:
        return read_regular(path, MAX_BYTES).decode("utf-8-sig", "replace")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(str(path), f"cannot be read ({reason})", "Move it away, or give it back its rights") from None


def _with_names(path: Path, text: str) -> _Table:
    """An evolve.csv: seven results, then hyperparameters, as its first line names them."""
    lines = text.split("\n")
    head = [word.strip() for word in lines[0].split(",")]
    if not text.strip():
        return _Table((), [])
    if tuple(head[: len(RESULTS)]) != RESULTS:
        raise DataError(f"{path}:1", f"does not begin with the columns {', '.join(RESULTS)}", _remedy(path))
    known = set(numbers())
    names = tuple(name if (name := current_name(word)) in known else "" for word in head[len(RESULTS) :])
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        raise DataError(f"{path}:1", f"has the column {twice[0]} twice", _remedy(path))
    rows = [(line, _numbers(row.split(","), len(head))) for line, row in enumerate(lines[1:], 2) if row.strip()]
    return _Table(names, rows)


def _without_names(path: Path, text: str) -> _Table:
    """An evolve.txt: what its columns are follows from how many there are."""
    layouts = _layouts()
    lines = [(line, row) for line, row in enumerate(text.split("\n"), 1) if row.strip()]
    widths = Counter(len(_words(row)) - len(RESULTS) for _, row in lines)
    usual = max(widths, key=lambda width: (width in layouts, widths[width]), default=0)
    if lines and usual not in layouts:
        counts = ", ".join(str(len(RESULTS) + count) for count in layouts)
        raise DataError(
            f"{path}:{lines[0][0]}", f"has {usual + len(RESULTS)} columns, and an evolve.txt {counts}", _remedy(path)
        )
    return _Table(layouts.get(usual, ()), [(line, _numbers(_words(row), usual + len(RESULTS))) for line, row in lines])


@functools.cache
def _layouts() -> dict[int, tuple[str, ...]]:
    """The hyperparameters of every evolve.txt there was, by their number: those of 2020, and of the time until 6.0."""
    later = tuple(name for name in table_of("6.0").names() if name not in ADDED_LATER)
    others = (table_of("2020.7").names(), table_of("2020.8").names())
    between = (later, (*later, ADDED_LATER[1]), (*later, *reversed(ADDED_LATER)))
    return {len(names): names for names in (*others, *between)}


def _words(row: str) -> list[str]:
    """The cells of a row without names; of one whose numbers fill their cells, by width."""
    words = row.split()
    if len(words) - len(RESULTS) in _layouts():
        return words
    return [row[place : place + TEXT_WIDTH] for place in range(0, len(row.rstrip()), TEXT_WIDTH)]


def _numbers(words: list[str], count: int) -> list[float]:
    """The numbers of a row; [] for one that is not whole."""
    try:
        return [float(word) for word in words] if len(words) == count else []
    except ValueError:
        return []


def _is_trial(bounds: list[Bounds], row: list[float]) -> bool:
    """Whether these numbers can be seven results and a set of hyperparameters."""
    if not row or not bounds:
        return False
    shares, values = row[:SHARES], row[len(RESULTS) :]
    within = (low <= value <= high for (low, high), value in zip(bounds, values, strict=True))
    return all(0 <= share <= 1 for share in shares) and all(within)


def _cells(row: list[float], digits: int) -> tuple[str, ...]:
    return tuple(f"{value:.{digits}g}" for value in row)


def _name(names: list[str], cells: tuple[str, ...], which: int) -> str:
    """What a row says, in few letters; of rows that say the same, which one."""
    said = "\n".join((*names, *cells)).encode()
    again = f"-{which}" if which > 1 else ""
    return f"{OLD}{hashlib.blake2b(said, digest_size=DIGEST_BYTES).hexdigest()}{again}"


def _result(
    origin: str, name: str, trial: int, names: list[str], row: list[float], judge: Callable[[Sequence[float]], float]
) -> Result:
    """One row. One whose results are all 0 is of a trial that failed: of others the losses are none."""
    measured = row[: len(RESULTS)]
    failed = not any(measured)
    values = dict(zip(names, row[len(RESULTS) :], strict=True))
    return Result(
        job=Job(name, trial, values, epochs=0, horizon=0, seed=0, origin=origin),
        fitness=0.0 if failed else judge(measured),
        results={key: value if math.isfinite(value) else None for key, value in zip(RESULTS, measured, strict=True)},
        failure="not measured" if failed else "",
        reason="all its results are 0" if failed else "",
    )


def _unknown(path: Path, text: str, table: _Table) -> list[str]:
    head = text.split("\n", 1)[0].split(",")[len(RESULTS) :]
    names = [word.strip() for word, name in zip(head, table.names, strict=False) if not name]
    shown = shortened(printable(", ".join(names)))
    return [f"{path}: columns that are no hyperparameters here are left out: {shown}"] if names else []


def _passed_over(path: Path, broken: list[int]) -> list[str]:
    shown = ", ".join(map(str, broken[:NAMED_LINES])) + ", ..." * (len(broken) > NAMED_LINES)
    return [f"{path}: not whole, or no trial, and passed over: line {shown}"] if broken else []


def _remedy(path: Path) -> str:
    return f"Move {path.name} away to begin a new record"
