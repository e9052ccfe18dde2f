# SPDX-License-Identifier: Apache-2.0
"""How well anchors fit the boxes of a data set. Sizes are (.., 2) width, height in pixels of the training image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class AnchorFit(NamedTuple):
    """`recall`: share of boxes that some anchor can learn (best possible recall). `per_box`: anchors per box that can.

    `fitness`: mean closeness of the best anchor, counted only where it can learn.
    """

    recall: float
    per_box: float
    fitness: float


def closeness(boxes_wh_px: np.ndarray, anchors_wh_px: np.ndarray) -> np.ndarray:
    """The worse of the two side ratios, each taken so that it is at most 1. (N, 2), (A, 2) -> (N, A)"""
    with np.errstate(divide="ignore"):  # an anchor without an extent, which waits to be found, is close to nothing
        ratio = boxes_wh_px[:, None] / anchors_wh_px[None]
        result: np.ndarray = np.minimum(ratio, 1 / ratio).min(axis=2)
    return result


def fit(boxes_wh_px: np.ndarray, anchors_wh_px: np.ndarray, anchor_t: float) -> AnchorFit:
    """Measure anchors against boxes.

    An anchor can learn a box when neither side differs by `anchor_t` times or more.
    """
    close = closeness(boxes_wh_px, anchors_wh_px.reshape(-1, 2))
    best, limit = close.max(axis=1), 1 / anchor_t
    able = close > limit
    return AnchorFit(
        float((best > limit).mean()), float(able.sum(axis=1).mean()), float((best * (best > limit)).mean())
    )


def ordered_by_area(anchors_wh_px: np.ndarray) -> np.ndarray:
    """Anchors from small to large, so that they can be dealt out to levels from fine to coarse. (A, 2)"""
    return anchors_wh_px[np.argsort(anchors_wh_px.prod(axis=1), kind="stable")]


RESTARTS = 30
LLOYD_ROUNDS = 100
MAX_BOXES = 20_000  # more boxes say the same about nine anchors and take minutes
MIN_SIDE_PX = 2.0  # boxes below teach anchors nothing
MUTATION = (0.9, 0.1)  # probability per number, spread of its factor
FACTORS = (0.3, 3.0)


def fitted(
    boxes_wh_px: np.ndarray, num_anchors: int, anchor_t: float, draw: np.random.Generator, generations: int = 1000
) -> np.ndarray:
    """Anchors for these boxes: k-means on whitened sizes, then mutations that are kept when they fit better.

    (A, 2), from small to large
    """
    usable = boxes_wh_px[(boxes_wh_px >= MIN_SIDE_PX).any(axis=1)]
    if not len(usable):
        usable = np.full((1, 2), MIN_SIDE_PX)
    if len(usable) > MAX_BOXES:
        usable = usable[draw.choice(len(usable), MAX_BOXES, replace=False)]
    anchors = clustered(usable, num_anchors, draw)
    best = fit(usable, anchors, anchor_t).fitness
    for _ in range(generations):
        changed = np.maximum(anchors * _factors(anchors.shape, draw), MIN_SIDE_PX)
        fitness = fit(usable, changed, anchor_t).fitness
        if fitness > best:
            anchors, best = changed, fitness
    return ordered_by_area(anchors)


def _factors(shape: tuple[int, ...], draw: np.random.Generator) -> np.ndarray:
    """Factors of one mutation; at least one differs from 1."""
    probability, spread = MUTATION
    while True:
        factors: np.ndarray = (
            (draw.random(shape) < probability) * draw.random() * draw.standard_normal(shape) * spread + 1
        ).clip(*FACTORS)
        if (factors != 1).any():
            return factors


def clustered(boxes_wh_px: np.ndarray, num_clusters: int, draw: np.random.Generator) -> np.ndarray:
    """The best of several k-means runs on sizes divided by their spread.

    Fewer distinct sizes than clusters are filled up. (A, 2)
    """
    distinct = np.unique(boxes_wh_px, axis=0)
    if len(distinct) <= num_clusters:
        extra = distinct[draw.integers(len(distinct), size=num_clusters - len(distinct))] * draw.uniform(
            0.7, 1.4, (num_clusters - len(distinct), 2)
        )
        filled: np.ndarray = np.maximum(np.concatenate((distinct, extra)), MIN_SIDE_PX)
        return filled
    spread = boxes_wh_px.std(axis=0)
    points = boxes_wh_px / np.where(spread > 0, spread, 1)
    runs = [_lloyd(points, num_clusters, draw) for _ in range(RESTARTS)]
    centres = min(runs, key=lambda run: run[1])[0]
    result: np.ndarray = centres * np.where(spread > 0, spread, 1)
    return result


def _lloyd(points: np.ndarray, num_clusters: int, draw: np.random.Generator) -> tuple[np.ndarray, float]:
    """Centres and mean distance of one run from random points."""
    centres = points[draw.choice(len(points), num_clusters, replace=False)]
    distance = np.inf
    for _ in range(LLOYD_ROUNDS):
        apart = ((points[:, None] - centres[None]) ** 2).sum(axis=2)
        nearest = apart.argmin(axis=1)
        mean = float(np.sqrt(apart[np.arange(len(points)), nearest]).mean())
        if distance - mean < 1e-5:  # noqa: PLR2004 -- no longer moving
            break
        distance = mean
        counts = np.bincount(nearest, minlength=num_clusters)
        sums = np.stack(
            [np.bincount(nearest, weights=points[:, axis], minlength=num_clusters) for axis in (0, 1)], axis=1
        )
        centres = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], centres)
    return centres, distance
