# SPDX-License-Identifier: Apache-2.0
"""What the label files of a split look like where many rows do not fit: a guess for people, from a sample of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.index.index import Index
from boxwright.data.labels.misread import FEWEST, Guess, guess_boxes, guess_classes, rows_in
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BOX_RULES = frozenset({"outside", "slightly-outside", "no-area"})
MOST_FILES = 200  # that are looked at again: as many say the same
MOST_BYTES = 16 << 20  # of all of them


def guesses_of(index: Index, num_classes: int, label_of: Callable[[int], str]) -> list[Guess]:
    """What boxes and class numbers seem to mean instead; `label_of` is the label file of an image of the index.

    [] where they are sound, or nothing else fits either. Files are only read again where there is reason to.
    """
    rules = [finding.rule for finding in index.findings]
    boxes, classes = sum(rule in BOX_RULES for rule in rules) >= FEWEST, "class-range" in rules
    if not boxes and not classes:
        return []
    rows = np.concatenate([np.zeros((0, 5)), *map(rows_in, _contents(_files(index, label_of)))])
    found = (guess_boxes(rows[:, 1:]) if boxes else None, guess_classes(rows[:, 0], num_classes) if classes else None)
    return [guess for guess in found if guess is not None]


def _files(index: Index, label_of: Callable[[int], str]) -> list[str]:
    """Label files of images that are used, evenly spread, and of those that have findings."""
    some = np.unique(np.linspace(0, max(len(index) - 1, 0), min(len(index), MOST_FILES)).astype(int)).tolist()
    wrong = dict.fromkeys(finding.file for finding in index.findings if finding.line is not None)
    return [file for file in dict.fromkeys([*map(label_of, some), *list(wrong)[:MOST_FILES]]) if file.endswith(".txt")]


def _contents(files: list[str]) -> Iterator[bytes]:
    room = MOST_BYTES
    for file in files:
        try:
            content = read_regular(file, room)
        except OSError:
            continue  # it is gone, or too large to be one of many: others say what it would
        room -= len(content)
        yield content
