# SPDX-License-Identifier: Apache-2.0
"""Generated values for laws."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst


def boxes_xyxy(max_boxes: int = 20, size: float = 640.0):
    """Boxes inside an image, some of them without area. (N, 4) float64"""
    corners = npst.arrays(
        np.float64, st.tuples(st.integers(1, max_boxes), st.just(4)), elements=st.floats(0, size, width=32)
    )
    return corners.map(
        lambda c: np.concatenate((np.minimum(c[:, :2], c[:, 2:]), np.maximum(c[:, :2], c[:, 2:])), axis=1)
    )


def sizes_hw(low: int = 8, high: int = 2000):
    return st.tuples(st.integers(low, high), st.integers(low, high))


def targets(num_images: int, num_classes: int, max_targets: int = 12):
    """Rows image, class, cx, cy, w, h that a loss may meet. (N, 6) float32"""
    row = st.tuples(
        st.integers(0, num_images - 1),
        st.integers(0, num_classes - 1),
        st.floats(0, 1, width=32),
        st.floats(0, 1, width=32),
        st.floats(0.001953125, 1, width=32),
        st.floats(0.001953125, 1, width=32),
    )
    return st.lists(row, max_size=max_targets).map(lambda rows: np.array(rows, np.float32).reshape(-1, 6))
