# SPDX-License-Identifier: Apache-2.0
"""Polygons as (P, 2) arrays of x, y."""

from __future__ import annotations

import numpy as np


def scaled(polygon_norm: np.ndarray, size_hw: tuple[float, float], pad_xy: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Normalised points -> pixels of an image of this size that lies at `pad_xy` on a canvas."""
    height, width = size_hw
    moved: np.ndarray = polygon_norm * np.array([width, height], polygon_norm.dtype) + np.array(pad_xy, polygon_norm.dtype)
    return moved


def resampled(polygon: np.ndarray, num_points: int = 1000) -> np.ndarray:
    """The closed outline as `num_points` points, evenly spaced by point number along its edges. (num_points, 2) float64."""
    closed = np.concatenate((polygon, polygon[:1]))
    at = np.linspace(0, len(closed) - 1, num_points)
    return np.stack([np.interp(at, np.arange(len(closed)), closed[:, axis]) for axis in (0, 1)], axis=1)


def box_xyxy(polygon: np.ndarray) -> np.ndarray:
    """The smallest box around the points. (4,)"""
    return np.concatenate((polygon.min(axis=0), polygon.max(axis=0)))


def visible_box_xyxy(polygon_px: np.ndarray, size_hw: tuple[float, float]) -> np.ndarray:
    """The smallest box around those points that lie inside the image; all zero when none does. (4,)"""
    height, width = size_hw
    x, y = polygon_px[:, 0], polygon_px[:, 1]
    inside = polygon_px[(x >= 0) & (y >= 0) & (x <= width) & (y <= height)]
    return box_xyxy(inside) if len(inside) else np.zeros(4, polygon_px.dtype)


def mirrored(polygon_px: np.ndarray, size_hw: tuple[int, int]) -> np.ndarray:
    """An outline on the other side of its image, left and right exchanged. (P, 2)"""
    return np.stack((size_hw[1] - polygon_px[:, 0], polygon_px[:, 1]), axis=1)
