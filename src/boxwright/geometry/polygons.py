# SPDX-License-Identifier: Apache-2.0
"""Polygons as (P, 2) arrays of x, y."""

from __future__ import annotations

import numpy as np

MAX_DISTANCES = (
    1 << 20
)  # between the points of the parts of one outline: a thousand points in all, and more when they are in few parts


def scaled(polygon_norm: np.ndarray, size_hw: tuple[float, float], pad_xy: tuple[float, float] = (0, 0)) -> np.ndarray:
    """Normalised points -> pixels of an image of this size that lies at `pad_xy` on a canvas."""
    height, width = size_hw
    shifted: np.ndarray = polygon_norm * np.array([width, height], polygon_norm.dtype) + np.array(
        pad_xy, polygon_norm.dtype
    )
    return shifted


def resampled(polygon: np.ndarray, num_points: int = 1000) -> np.ndarray:
    """The closed outline as `num_points` points, evenly spaced by point number along its edges.

    (num_points, 2) float64.
    """
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


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Several outlines as one: each hangs on the first by a bridge that is walked both ways. (P, 2) each -> (P', 2)

    A bridge goes from the nearest point to the nearest point. Where that would be more than MAX_DISTANCES to measure,
    all bridges go out from the first point: the work grows with the points then, not with their square.
    """
    if len(parts) == 1:
        return parts[0]
    sizes = np.array([len(part) for part in parts])
    before = np.cumsum(sizes + 2)[
        :-1
    ]  # points that stand there when a part is added, with those that its bridge repeats
    return _joined_nearest(parts) if int((before * sizes[1:]).sum()) <= MAX_DISTANCES else _joined_at_first(parts)


def _joined_nearest(parts: list[np.ndarray]) -> np.ndarray:
    whole = parts[0]
    for part in parts[1:]:
        apart = ((whole[:, None] - part[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(apart.argmin()), apart.shape)
        around = np.concatenate((part[there:], part[: there + 1]))
        whole = np.concatenate((whole[: here + 1], around, whole[here:]))
    return whole


def _joined_at_first(parts: list[np.ndarray]) -> np.ndarray:
    first = parts[0][:1]
    pieces = [first]
    for part in parts[1:]:
        there = int(((part - first) ** 2).sum(axis=1).argmin())
        pieces += [part[there:], part[: there + 1], first]
    return np.concatenate((*pieces, parts[0][1:]))
