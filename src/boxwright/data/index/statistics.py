# SPDX-License-Identifier: Apache-2.0
"""What is in a split, counted: classes, sizes, shapes, places, company, backgrounds. N images, M objects, C classes."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from boxwright.data.index.index import Index

TINY_PX = 8  # sides below this are less than one cell of the finest level
HUGE_SHARE = 0.9  # of the side of the image
SIZES_PX = (0, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1 << 20)
ASPECTS = (0, 0.1, 0.2, 1 / 3, 0.5, 2 / 3, 1, 1.5, 2, 3, 5, 10, 1e9)
CELLS = 10  # a side of the map of places
PER_IMAGE = (0, 1, 2, 3, 5, 10, 20, 50, 100, 1 << 30)


@dataclass(frozen=True)
class Statistics:
    """Counts of one split, as they go into report.json."""

    images: int
    objects: int
    backgrounds: int
    classes: list[int]
    images_with_class: list[int]
    size_px: dict[str, int]
    aspect: dict[str, int]
    per_image: dict[str, int]
    places: list[list[int]]
    together: list[list[int]]
    tiny: list[dict[str, Any]]
    tiny_count: int
    huge_count: int
    image_sizes: dict[str, int]


MAX_NAMED = 50


def statistics(index: Index, num_classes: int, image_size: int) -> Statistics:
    """Count a split; box sizes are those in an image whose long side is `image_size`."""
    sides = index.boxes_wh_px(image_size)
    small = sides.min(axis=1) if len(sides) else np.zeros(0)
    present = np.zeros((len(index), num_classes), np.int64)
    present[index.image_of_object, index.classes] = 1
    tiny = np.flatnonzero(small < TINY_PX)
    counts = np.diff(index.first_object)
    return Statistics(
        images=len(index),
        objects=len(index.classes),
        backgrounds=int((counts == 0).sum()),
        classes=index.class_counts(num_classes).tolist(),
        images_with_class=present.sum(axis=0).tolist(),
        size_px=_histogram(np.sqrt(sides.prod(axis=1)) if len(sides) else small, SIZES_PX, " px"),
        aspect=_histogram(sides[:, 0] / sides[:, 1] if len(sides) else small, ASPECTS, ""),
        per_image=_whole_numbers(counts, PER_IMAGE),
        places=_places(index),
        together=(present.T @ present).tolist(),
        tiny=[
            _named(index, number, small) for number in tiny[np.argsort(small[tiny], kind="stable")][:MAX_NAMED].tolist()
        ],
        tiny_count=len(tiny),
        huge_count=int((index.boxes[:, 2:] > HUGE_SHARE).all(axis=1).sum()),
        image_sizes=_image_sizes(index),
    )


def _histogram(values: np.ndarray, edges: tuple[float, ...], unit: str) -> dict[str, int]:
    counts = np.histogram(values, np.array(edges, np.float64))[0].tolist()
    labels = [
        f"{low:.3g} to {high:.3g}{unit}" if high < 1e5 else f"{low:.3g}{unit} and more"  # noqa: PLR2004 -- beyond it a bound says nothing
        for low, high in itertools.pairwise(edges)
    ]
    return dict(zip(labels, counts, strict=True))


def _whole_numbers(values: np.ndarray, edges: tuple[int, ...]) -> dict[str, int]:
    """The same for counts, each range named by its first and last number."""
    counts = np.histogram(values, np.array(edges))[0].tolist()
    labels = [f"{low}" if high == low + 1 else f"{low} to {high - 1}" for low, high in itertools.pairwise(edges[:-1])]
    return dict(zip([*labels, f"{edges[-2]} and more"], counts, strict=True))


def _places(index: Index) -> list[list[int]]:
    """How many centres lie in each cell of the image, rows from above."""
    cells = np.minimum((index.boxes[:, :2] * CELLS).astype(np.int64), CELLS - 1)
    counts: list[list[int]] = (
        np.bincount(cells[:, 1] * CELLS + cells[:, 0], minlength=CELLS * CELLS).reshape(CELLS, CELLS).tolist()
    )
    return counts


def _named(index: Index, number: int, small: np.ndarray) -> dict[str, Any]:
    image = int(np.searchsorted(index.first_object, number, side="right") - 1)
    return {"image": index.paths[image], "class": int(index.classes[number]), "side_px": round(float(small[number]), 2)}


def _image_sizes(index: Index) -> dict[str, int]:
    sizes, counts = np.unique(index.sizes_wh, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return {f"{sizes[i][0]} x {sizes[i][1]}": int(counts[i]) for i in order[:20]}
