# SPDX-License-Identifier: Apache-2.0
"""results.csv: one row per epoch, columns of 20 characters, five significant digits, as tools of the field read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from boxwright.system.files import write_text
from boxwright.track.bus import Delivery
from boxwright.track.events import LOSS_NAMES, RESULT_KEYS, EpochEnded, Event, StepLogged
from boxwright.track.sinks.json_lines import about, raw_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

WIDTH = 20
TEXT_KEYS = RESULT_KEYS[3:10]  # precision, recall, both mAPs, three validation losses
TEXT_WIDTH = 10 * (
    2 + len(LOSS_NAMES) + 3 + len(TEXT_KEYS)
)  # characters of a row at least: no column is narrower than ten
_TEXT_EPOCH = re.compile(rb" *([0-9]{1,9})/[0-9]{1,9} ")


class CsvTable:
    """Writes results.csv, whole at every epoch.

    No row can be torn, doubled, or missing after a disk was full for a while.
    """

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
    """Writes results.txt as in 2020: the columns of the epoch's last batch, then seven values. Without a header.

    `past` are the epochs that a run has behind it. The file's own rows of them stay, if they are whole; the others are
    made anew, with the last batch of each as far as it is known from `steps`. `last` is that of an epoch that was begun
    before. `earlier` are rows of another run, whose weights this one began with; they stay.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(
        self,
        path: Path,
        past: Iterable[EpochEnded] = (),
        steps: Mapping[int, StepLogged] | None = None,
        last: StepLogged | None = None,
        earlier: Sequence[str] = (),
    ) -> None:
        self.path = path
        known = past_rows(path)
        self.rows = [*earlier]
        self.rows += [known.get(event.epoch) or text_row(event, (steps or {}).get(event.epoch)) for event in past]
        if path.exists() or earlier:
            self._write()
        self._last = last

    def handle(self, event: Event) -> None:
        """Remember the last batch; add the row of an epoch."""
        if isinstance(event, StepLogged):
            self._last = event
        elif isinstance(event, EpochEnded):
            self.rows.append(text_row(event, self._last))
            self._write()

    def close(self) -> None:
        """Every row is written already."""

    def _write(self) -> None:
        write_text(self.path, "".join(f"{row}\n" for row in self.rows), durable=False)


def about_text(path: Path) -> str:
    """What to say about rows of a results.txt that are not whole; '' for none."""
    return about(path, sum(1 for line in raw_lines(path) if line.strip() and _text_epoch(line) is None))


def past_rows(path: Path) -> dict[int, str]:
    """The whole rows of a results.txt by their epoch, whatever else stands there."""
    return {epoch: line.decode() for line in raw_lines(path) if (epoch := _text_epoch(line)) is not None}


def rows_before(path: Path, epoch: int) -> tuple[str, ...]:
    """Those rows of a results.txt that another run left to this one: of epochs before its own first."""
    return tuple(row for number, row in sorted(past_rows(path).items()) if number < epoch)


def whole_rows(text: str) -> tuple[str, ...]:
    """The whole rows of a results table that a checkpoint of 2020 holds."""
    lines = (line.rstrip() for line in text.split("\n"))
    return tuple(line for line in lines if _text_epoch(line.encode(errors="replace")) is not None)


def _text_epoch(line: bytes) -> int | None:
    """The epoch of a row of results.txt; None for what is no whole row."""
    begin = _TEXT_EPOCH.match(line)
    whole = begin is not None and len(line) >= TEXT_WIDTH and line.isascii() and line.decode().isprintable()
    return int(begin[1]) if begin is not None and whole else None


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
    """The columns of a results.csv, ours or another's.

    Empty cells are None, rows that are not whole are passed over, and a file without a header has none.
    """
    lines = [line.decode("utf-8", errors="replace") for line in raw_lines(path) if line.strip()]
    names = [name.strip() for name in lines[0].split(",")] if lines else []
    if not all(name.isprintable() for name in names):
        return {}
    rows = [row for line in lines[1:] if (row := _numbers(line, len(names))) is not None]
    return {name: [cells[i] for cells in rows] for i, name in enumerate(names)}


def _numbers(line: str, count: int) -> list[float | None] | None:
    """The cells of a row; None for a row that has not as many numbers as there are names."""
    cells = [cell.strip() for cell in line.split(",")]
    try:
        return [float(cell) if cell else None for cell in cells] if len(cells) == count else None
    except ValueError:
        return None
