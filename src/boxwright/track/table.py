# SPDX-License-Identifier: Apache-2.0
"""results.csv: one row per epoch, columns of 20 characters, five significant digits, as tools of the field read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.system.files import write_text
from boxwright.track.events import RESULT_KEYS, EpochEnded, Event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WIDTH = 20


class CsvTable:
    """Writes results.csv, whole at every epoch: no row can be torn, doubled, or missing after a disk was full for a while."""

    def __init__(self, path: Path, past: Iterable[EpochEnded] = ()) -> None:
        self.path = path
        self.rows = [row(event) for event in past]
        if self.rows or path.exists():
            self._write()

    def handle(self, event: Event) -> None:
        """Add the row of an epoch."""
        if isinstance(event, EpochEnded):
            self.rows.append(row(event))
            self._write()

    def close(self) -> None:
        """Every row is written already."""

    def _write(self) -> None:
        write_text(self.path, "\n".join([header(), *self.rows]) + "\n", durable=False)


def header() -> str:
    """The names of the columns."""
    return ",".join(f"{key:>{WIDTH}}" for key in ("epoch", *RESULT_KEYS))


def row(event: EpochEnded) -> str:
    """One epoch; what was not measured stays empty."""
    cells = [f"{event.epoch:>{WIDTH}}"]
    for key in RESULT_KEYS:
        value = event.results.get(key)
        cells.append(f"{'' if value is None else format(value, '.5g'):>{WIDTH}}")
    return ",".join(cells)


def read(path: Path) -> dict[str, list[float | None]]:
    """The columns of a results.csv, ours or another's; empty cells are None."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = [name.strip() for name in lines[0].split(",")]
    rows = [[cell.strip() for cell in line.split(",")] for line in lines[1:]]
    return {name: [float(cells[i]) if i < len(cells) and cells[i] else None for cells in rows] for i, name in enumerate(names)}
