# SPDX-License-Identifier: Apache-2.0
"""What a verb hands back: the same content as lines for people and as one JSON document."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from boxwright.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Answer:
    """`exit_code` is for findings; faults are raised, not returned.

    `lines` and no text: where a line ends is said here, so that a name with a line break in it stays within its line.
    `document` None: another process tells.
    """

    lines: list[str] | tuple[str, ...]
    document: Any
    notes: tuple[str, ...] = ()
    exit_code: int = 0


@dataclass(frozen=True)
class Table:
    """Cells as they will be printed, the header first where there is one; `right` are the columns of numbers.

    `by_name`: a name and numbers in each row, and a long name may be shortened.
    """

    rows: tuple[tuple[str, ...], ...]
    right: tuple[bool, ...]
    header: bool
    by_name: bool = False


class TableLine(str):
    """A line of a table, as it is where nobody draws tables, and the table for whoever does."""

    __slots__ = ("table",)
    table: Table

    def __new__(cls, line: str, table: Table) -> Self:
        made = super().__new__(cls, line)
        made.table = table
        return made

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A copy is the line alone: events and documents are made of plain values."""
        return str, (str(self),)


def counted(count: int, one: str, many: str = "") -> str:
    """So many of a thing, in words: 1 image, 2 images, and 2 classes where the plural is given."""
    return f"{count} {one if count == 1 else many or f'{one}s'}"


def parts(lines: Iterable[str]) -> Iterator[str | Table]:
    """Lines with each table among them as one."""
    before: Table | None = None
    for line in lines:
        found = line.table if isinstance(line, TableLine) else None
        if found is None:
            yield line
        elif found is not before:
            yield found
        before = found


def table(rows: Sequence[tuple[object, ...]], header: tuple[str, ...] = ()) -> list[str]:
    """Lines of columns as wide as their longest word, which are counted as they will be printed.

    A column of numbers stands to the right.
    """
    lines = tuple(tuple(printable(str(cell)) for cell in row) for row in ([header] if header else []) + list(rows))
    if not lines:
        return []
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(widths))]
    made = Table(lines, tuple(numeric), header=bool(header))
    return [TableLine(_line(line, widths, numeric), made) for line in lines]


def _line(cells: tuple[str, ...], widths: list[int], right: list[bool]) -> str:
    aligned = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(aligned).rstrip()


def _is_number(cell: object) -> bool:
    try:
        float(str(cell))
    except ValueError:
        return False
    return True


def text_cell(text: str) -> str:
    """Somebody's text as one cell of a table.

    Spreadsheets run what begins with = + - @ in any width; what begins with no letter or digit gets a mark.
    """
    shown = printable(text)
    first = unicodedata.normalize("NFKC", shown.strip())[:1]
    guarded = shown if not first or first.isalnum() or first in "_(" else f"'{shown}"
    plain = all(
        letter.isalnum() or letter in " _-.()'" for letter in guarded
    )  # what else there is may end a cell somewhere
    return guarded if plain else '"' + guarded.replace('"', '""') + '"'
