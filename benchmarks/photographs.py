# SPDX-License-Identifier: Apache-2.0
"""Pictures with the statistics of photographs, made when a benchmark needs them: large soft shapes, edges, grain.

Boxes as in street scenes.
"""

from __future__ import annotations

import cv2
import numpy as np

from boxwright.data.index.index import Index

WIDTH, HEIGHT = 640, 480
BOXES = 7
CLASSES = 80
JPEG_QUALITY = 90  # with this grain some 110 kB, as photographs of this size have


def photograph(number: int) -> np.ndarray:
    """(480, 640, 3) uint8 BGR"""
    draw = np.random.default_rng([11, number])
    coarse = draw.uniform(20, 235, (6, 8, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        x, y, w, h = draw.integers((0, 0, 30, 30), (WIDTH - 60, HEIGHT - 60, 260, 220)).tolist()
        picture[y : y + h, x : x + w] = picture[y : y + h, x : x + w] * 0.5 + draw.uniform(0, 128, 3)
    return (picture + draw.normal(0, 7, picture.shape)).clip(0, 255).astype(np.uint8)


def rows_of(number: int) -> np.ndarray:
    """Class, cx, cy, w, h, normalised. (7, 5) float32"""
    draw = np.random.default_rng([12, number])
    return np.concatenate(
        (
            draw.integers(0, CLASSES, (BOXES, 1)),
            draw.uniform(0.3, 0.7, (BOXES, 2)),
            draw.uniform(0.05, 0.4, (BOXES, 2)),
        ),
        axis=1,
        dtype=np.float32,
    )


def index_of(paths: list[str]) -> Index:
    """An index of so many photographs."""
    rows = np.concatenate([rows_of(number) for number in range(len(paths))])
    return Index(
        paths=tuple(paths),
        sizes_wh=np.tile(np.array([[WIDTH, HEIGHT]], np.int32), (len(paths), 1)),
        first_object=np.arange(len(paths) + 1) * BOXES,
        classes=rows[:, 0].astype(np.int32),
        boxes=rows[:, 1:],
        first_point=np.zeros(len(rows) + 1, np.int64),
        points=np.zeros((0, 2), np.float32),
    )


def encoded(number: int) -> bytes:
    """The photograph as a JPEG file."""
    return cv2.imencode(".jpg", photograph(number), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
