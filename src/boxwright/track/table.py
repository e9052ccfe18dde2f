# SPDX-License-Identifier: Apache-2.0
"""results.csv: one row per epoch, columns of 20 characters, five significant digits, as tools of the field read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from boxwright.errors import DataError
from boxwright.system.files import write_text
from boxwright.track.bus import Delivery
from boxwright.track.events import LOSS_NAMES, RESULT_KEYS, EpochEnded, Event, StepLogged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WIDTH = 20
TEXT_KEYS = RESULT_KEYS[3:10]  # precision, recall, both mAPs, three validation losses


class CsvTable:
    """Writes results.csv, whole at every epoch: no row can be torn, doubled, or missing after a disk was full for a while."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

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


class TextTable:
    """Writes results.txt as in 2020: the columns of the epoch's last batch, then seven values. Without a header."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path, first_epoch: int = 0) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self.rows = [line for line in lines if line.split() and int(line.split("/")[0]) < first_epoch]
        self._last: StepLogged | None = None

    def by_epoch(self) -> dict[int, str]:
        """The rows that are there."""
        return {int(line.split("/")[0]): line for line in self.rows}

    def handle(self, event: Event) -> None:
        """Remember the last batch; add the row of an epoch."""
        if isinstance(event, StepLogged):
            self._last = event
        elif isinstance(event, EpochEnded):
            self.rows.append(text_row(event, self._last))
            write_text(self.path, "\n".join(self.rows) + "\n", durable=False)

    def close(self) -> None:
        """Every row is written already."""


def text_row(event: EpochEnded, last: StepLogged | None) -> str:
    """Two columns of %10s, six of %10.4g, seven of %10.4g; 0 for what was not measured, so that the columns stay."""
    losses = [event.results.get(f"train/{name}") or 0.0 for name in LOSS_NAMES]
    memory, objects, width = (last.memory, last.objects, last.width) if last is not None else (0, 0, 0)
    words = f"{f'{event.epoch}/{event.epochs - 1}':>10}{f'{memory / 1e9:.3g}G':>10}"
    values = [*losses, sum(losses), objects, width, *(event.results.get(key) or 0.0 for key in TEXT_KEYS)]
    return words + "".join(f"{value:10.4g}" for value in values)


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
    """The columns of a results.csv, ours or another's; empty cells are None. Raises DataError with the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise DataError(str(path), "is not UTF-8 text", "Make it anew with `boxwright replay`") from None
    names = [name.strip() for name in lines[0].split(",")] if lines else []
    columns: dict[str, list[float | None]] = {name: [] for name in names}
    for number, line in enumerate(lines[1:], 2):
        cells = [cell.strip() for cell in line.split(",")] if line.strip() else []
        for i, name in enumerate(names if cells else ()):
            columns[name].append(_cell(cells[i], f"{path}:{number}", name) if i < len(cells) and cells[i] else None)
    return columns


def _cell(text: str, place: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DataError(place, f"{name[:40]} is {text[:40]!r}, which is no number", "Make the table anew with `boxwright replay`") from None
