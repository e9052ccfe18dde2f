# SPDX-License-Identifier: Apache-2.0
"""What is known about a picture: its objects, and where nothing is known. N objects, K regions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

NO_REGIONS = np.zeros((0, 4), np.float32)


class Truth(NamedTuple):
    """`objects` (N, 5) class, cx, cy, w, h and `regions` (K, 4) cx, cy, w, h to ignore, float32, normalised.

    To the picture.
    """

    objects: np.ndarray
    regions: np.ndarray = NO_REGIONS
