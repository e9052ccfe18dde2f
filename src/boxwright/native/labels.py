# SPDX-License-Identifier: Apache-2.0
"""Sound label files, read in one go."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from boxwright.native.binary import require

SHORTEST_ROW = 10  # bytes of `0 1 1 1 1` and its line end
SHORTEST_NUMBER = 2  # bytes of a digit and what separates it from the next


class Rows(NamedTuple):
    """N objects with P outline points in all."""

    classes: np.ndarray  # (N,) int32
    boxes: np.ndarray  # (N, 4) float32 cxcywh normalised, inside the image
    first_point: np.ndarray  # (N + 1,) int64
    points: np.ndarray  # (P, 2) float32


def read(content: bytes, rounding: float) -> Rows | None:
    """The rows of a file; None when something in it needs a closer look."""
    library = require()
    most = len(content) // SHORTEST_ROW + 1
    classes, boxes = np.empty(most, np.int32), np.empty((most, 4), np.float32)
    first, points = np.empty(most + 1, np.int64), np.empty((len(content) // (2 * SHORTEST_NUMBER) + 1, 2), np.float32)
    count = library.boxwright_labels(
        content, len(content), rounding, classes.ctypes.data, boxes.ctypes.data, first.ctypes.data, points.ctypes.data
    )
    if count < 0:
        return None
    return Rows(classes[:count].copy(), boxes[:count].copy(), first[: count + 1].copy(), points[: first[count]].copy())
