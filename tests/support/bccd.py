# SPDX-License-Identifier: Apache-2.0
"""Boxes and image sizes of the BCCD set (MIT, see tests/data/bccd), and three of its pictures."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent.parent / "data" / "bccd"


@functools.cache
def boxes(split: str) -> np.ndarray:
    """Rows of image number (in sorted order of names), class, cx, cy, w, h normalised."""
    with np.load(FOLDER / "boxes.npz") as file:
        return file[split].astype(np.float64)


@functools.cache
def sizes(split: str) -> np.ndarray:
    """Width and height of every image in pixels."""
    with np.load(FOLDER / "boxes.npz") as file:
        return file[f"{split}_sizes_wh"].astype(np.int64)
