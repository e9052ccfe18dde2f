# SPDX-License-Identifier: Apache-2.0
"""Yes or no, by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def happens(rng: np.random.Generator, share: float) -> bool:
    """Yes in this share of all cases."""
    return bool(rng.random() < share)
