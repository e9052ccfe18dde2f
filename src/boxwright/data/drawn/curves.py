# SPDX-License-Identifier: Apache-2.0
"""Curves as points (K, 2): x to the right, y downward, angles in radians."""

from __future__ import annotations

import math

import numpy as np

TURN = 2 * math.pi


def arc(
    radius_xy: tuple[float, float],
    centre_xy: tuple[float, float] = (0.0, 0.0),
    angles: tuple[float, float] = (0.0, TURN),
    points: int = 64,
) -> np.ndarray:
    """Part of an ellipse, by default all of it. (points, 2)"""
    angle = np.linspace(*angles, points)
    return np.stack([centre_xy[0] + radius_xy[0] * np.cos(angle), centre_xy[1] + radius_xy[1] * np.sin(angle)], axis=1)


def disc(radius: float) -> np.ndarray:
    """A circle around the origin. (64, 2)"""
    return arc((radius, radius))


def polar(radius: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Points at a distance and an angle from the origin. (K,), (K,) -> (K, 2)"""
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def around(points: int) -> np.ndarray:
    """Angles all around, the first not repeated at the end. (points,)"""
    return np.linspace(0.0, TURN, points, endpoint=False)


def between(x: np.ndarray, upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """The outline of what lies between two curves over the same x. Three of (K,) -> (2K, 2)"""
    return np.concatenate([np.stack([x, upper], axis=1), np.stack([x, lower], axis=1)[::-1]])


def rectangle(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Its four corners. (4, 2)"""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def bezier(control: np.ndarray, points: int = 24) -> np.ndarray:
    """The cubic curve of four control points. (4, 2) -> (points, 2)"""
    t = np.linspace(0.0, 1.0, points)[:, None]
    result: np.ndarray = (
        (1 - t) ** 3 * control[0]
        + 3 * t * (1 - t) ** 2 * control[1]
        + 3 * t**2 * (1 - t) * control[2]
        + t**3 * control[3]
    )
    return result
