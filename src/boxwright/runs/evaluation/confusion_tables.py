# SPDX-License-Identifier: Apache-2.0
"""Confusion matrices as tables: counts, and the shares of columns and rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.metrics.confusion import shares
from boxwright.structures.answer import text_cell
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
