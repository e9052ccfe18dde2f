# SPDX-License-Identifier: Apache-2.0
"""results.csv: one row per epoch, columns of 20 characters, five significant digits, as tools of the field read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.system.files import append_line, write_text
from boxwright.track.events import RESULT_KEYS, EpochEnded, Event

if TYPE_CHECKING:
    from pathlib import Path

WIDTH = 20


class CsvTable:
    """Writes results.csv."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def handle(self, event: Event) -> None:
        """Add the row of an epoch."""
        if isinstance(event, EpochEnded):
            if not self.path.exists():
                write_text(self.path, header() + "\n")
            append_line(self.path, row(event))

    def close(self) -> None:
        """Every row is written already."""


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


def cut(path: Path, first_epoch: int) -> None:
    """Drop the rows from an epoch on: it is about to be trained again. A row that was cut short goes too."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines()
        whole = [line for line in lines[1:] if line.count(",") == lines[0].count(",") and len(line) == len(lines[0])]
        kept = [line for line in whole if int(line.split(",")[0]) < first_epoch]
        write_text(path, "\n".join([lines[0], *kept]) + "\n")
