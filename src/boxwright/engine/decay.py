# SPDX-License-Identifier: Apache-2.0
"""The law of the moving average: how much of it stays at each update."""

from __future__ import annotations

import math

LIMIT = 0.9999  # share of the old average that stays, in the long run
RAMP = 2000  # updates over which the decay rises, so that early weights are soon forgotten


def decay(updates: float, limit: float = LIMIT, ramp: int = RAMP) -> float:
    """Share of the old average that stays at this update."""
    return limit * (1 - math.exp(-updates / ramp))
