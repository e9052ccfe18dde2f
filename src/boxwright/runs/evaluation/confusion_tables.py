# SPDX-License-Identifier: Apache-2.0
"""Confusion matrices as tables: counts, and the shares of columns and rows."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from boxwright.errors import printable
from boxwright.metrics.confusion import shares
from boxwright.system.files import write_text

if TYPE_CHECKING:
    from pathlib import Path

MATRICES = {"": None, "_columns": 0, "_rows": 1}  # counts, shares of each true class, shares of each predicted class


def write_matrices(folder: Path, matrix: np.ndarray, names: tuple[str, ...]) -> None:
    """confusion_matrix.csv with counts, and the shares of its columns and rows beside it."""
    for suffix, axis in MATRICES.items():
        values = matrix if axis is None else shares(matrix, axis)
        write_text(folder / f"confusion_matrix{suffix}.csv", as_csv(values, names))


def as_csv(values: np.ndarray, names: tuple[str, ...]) -> str:
    """A row per predicted class, a column per true one; empty where there is nothing to have a share of."""
    heads = [text_cell(name) for name in (*names, "background")]
    rows = [["predicted \\ true", *heads]]
    rows += [
        [head, *("" if np.isnan(value) else repr(value) for value in row)]
        for head, row in zip(heads, values.tolist(), strict=True)
    ]
    return "".join(f"{','.join(row)}\n" for row in rows)


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
