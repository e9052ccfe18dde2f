# SPDX-License-Identifier: Apache-2.0
"""What chance makes: yes or no, and smooth noise, which is random numbers on coarse grids, enlarged and added."""

from __future__ import annotations

import cv2
import numpy as np

MIN_CELLS = 2  # one cell has no slope


def happens(rng: np.random.Generator, share: float) -> bool:
    """Yes in this share of all cases."""
    return bool(rng.random() < share)


def smooth(
    rng: np.random.Generator, side: int, cells: float, octaves: int = 3, gain: float = 0.55, stretch: float = 1.0
) -> np.ndarray:
    """Noise of about -1..1: `cells` cells a side in the first octave, twice as many in each further one.

    (side, side) float32

    Each octave is `gain` as strong as the one before; `stretch` multiplies the cells along x.
    """
    total = np.zeros((side, side), np.float32)
    for octave in range(octaves):
        down, along = (min(max(round(cells * 2**octave * factor), MIN_CELLS), side) for factor in (1.0, stretch))
        coarse = rng.random((down, along), np.float32) * 2 - 1
        total += np.float32(gain**octave) * cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return total
