# SPDX-License-Identifier: Apache-2.0
"""How many images a batch may have.

Memory is measured at a few sizes, a line is laid through, and the answer is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

SHARE = 0.8  # of the memory that is free: fragments, the validation and other programs want some too
PROBES = (1, 2, 4, 8, 16)
FALLBACK = 16  # where memory cannot be measured
CAP = 1024  # above this a step has long been saturated, and a line through small sizes says little


def fitting_batch(measure: Callable[[int], float | None], free: float, *, cap: int = CAP) -> int:
    """The largest batch whose step stays within the share of free memory, at least 1.

    `measure(batch)` gives the bytes that a step needs at its worst, None when it did not fit. The answer was itself
    measured.
    """
    limit = free * SHARE
    found: dict[int, float] = {}
    for batch in PROBES:
        needed = measure(batch) if batch <= cap else None
        if needed is None or needed > limit:
            break
        found[batch] = needed
    if not found:
        return 1
    return _tried(measure, _on_line(found, limit, cap), limit, max(found))


def _on_line(found: dict[int, float], limit: float, cap: int) -> int:
    """Where the line through the measurements reaches the limit."""
    if len(found) == 1:
        return max(found)
    slope, start = np.polyfit(list(found), list(found.values()), 1)
    if slope <= 0:
        return max(found)  # memory does not grow as it should: nothing beyond what was seen
    return int(np.clip((limit - start) // slope, max(found), cap))


def _tried(measure: Callable[[int], float | None], guess: int, limit: float, known: int) -> int:
    """The guess, or the largest size towards the known one that really fits."""
    low, high = known, guess
    while high > low:
        needed = measure(high)
        if needed is not None and needed <= limit:
            return high
        high = max(low, high - max((high - low) // 4, 1))
    return low
