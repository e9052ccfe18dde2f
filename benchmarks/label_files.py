# SPDX-License-Identifier: Apache-2.0
"""Label files, read and checked, against a split into words and an array per file."""

from __future__ import annotations

import numpy as np

from benchmarks.measure import Result, against
from benchmarks.photographs import rows_of
from boxwright.data.labels.label_file import parse_labels
from tests.oracles.plain_labels import plain_rows

FILES = 5000


def run() -> list[Result]:
    files = [text_of(number) for number in range(FILES)]
    for content in files[:50]:
        mine, theirs = parse_labels(content, "a.txt"), plain_rows(content)
        assert np.array_equal(mine.classes, theirs[:, 0])
        assert np.abs(mine.boxes - theirs[:, 1:]).max() < 1e-6
    return [
        against(
            f"label files, {FILES:,}, in memory",
            lambda: [parse_labels(c, "a.txt") for c in files],
            lambda: [plain_rows(c) for c in files],
            goal=3.0,
        )
    ]


def text_of(number: int) -> bytes:
    """The label file of a photograph."""
    return "".join(
        f"{int(row[0])} " + " ".join(f"{value:.6f}" for value in row[1:]) + "\n" for row in rows_of(number)
    ).encode()
