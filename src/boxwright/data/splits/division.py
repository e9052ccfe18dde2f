# SPDX-License-Identifier: Apache-2.0
"""Dividing a data set: groups stay together, and every class gets its share in every part.

G groups, C classes, S parts.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from boxwright.errors import SettingError
from boxwright.keyed import Purpose, generator

if TYPE_CHECKING:
    from collections.abc import Sequence


def groups_of(paths: Sequence[str], rule: str) -> np.ndarray:
    """The group of every image: each its own, its folder, or what the first bracket of a pattern finds in its path.

    (N,) from 0. Raises SettingError.
    """
    if not rule:
        return np.arange(len(paths))
    words = [str(PurePath(path).parent) if rule == "folder" else _found(rule, path) for path in paths]
    return np.unique(np.array(words), return_inverse=True)[1]


def _found(rule: str, path: str) -> str:
    try:
        pattern = re.compile(rule)
    except re.error as error:
        raise SettingError(
            "--group", f"'{rule}' is no pattern ({error})", "Give 'folder' or a regular expression with one bracket"
        ) from None
    if pattern.groups < 1:
        raise SettingError(
            "--group", f"'{rule}' has no bracket", "Put what tells groups apart into brackets, such as '(scene\\d+)'"
        )
    match = pattern.search(path)
    if match is None or match[1] is None:
        raise SettingError("--group", f"'{rule}' finds nothing in {path}", "Give a pattern that fits every path")
    return match[1]


def divide(counts: np.ndarray, sizes: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """The part of every group.

    `counts` (G, C) objects of each class, `sizes` (G,) images, `shares` (S,) that sum to 1. -> (G,)

    The class with the fewest objects left is dealt out first, each group to the part that lacks most of that class;
    groups without objects go where images are lacking. Equal claims are decided by key.
    """
    rows = np.concatenate((counts, sizes[:, None]), axis=1).astype(np.float64)
    lacking = np.array(shares)[:, None] * rows.sum(axis=0)
    order = generator(seed, Purpose.SPLIT).permutation(len(sizes))
    part = np.full(len(sizes), -1)
    open_groups = set(order.tolist())
    while open_groups:
        left = [group for group in order.tolist() if group in open_groups]
        remaining = rows[left, :-1].sum(axis=0)
        present = np.flatnonzero(remaining > 0)
        column = int(present[remaining[present].argmin()]) if len(present) else -1
        mine = [group for group in left if rows[group, column] > 0] if len(present) else left
        for group in sorted(mine, key=lambda group: -rows[group, column]):
            best = max(range(len(shares)), key=lambda s: (lacking[s, column], lacking[s, -1]))
            part[group] = best
            lacking[best] -= rows[group]
            open_groups.discard(group)
    return part
