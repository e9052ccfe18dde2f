# SPDX-License-Identifier: Apache-2.0
"""Indexes from indexes: some of the images, some of the objects, several sets one after the other.

N images, M objects.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from boxwright.data.index.index import NO_DIGESTS, Index
from boxwright.data.labels.class_names import DROPPED

if TYPE_CHECKING:
    from collections.abc import Sequence


def starts(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where runs of these lengths begin, and where the last one ends. (N,) -> (N + 1,) int64"""
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))).astype(np.int64)


def with_objects(index: Index, kept: np.ndarray) -> Index:
    """Only these objects; images that lose all of theirs stay as backgrounds. (M,) bool"""
    owners = index.image_of_object[kept]
    lengths = np.diff(index.first_point)
    points = np.repeat(kept, lengths)
    return replace(
        index,
        first_object=starts(np.bincount(owners, minlength=len(index))),
        classes=index.classes[kept],
        boxes=index.boxes[kept],
        first_point=starts(lengths[kept]),
        points=index.points[points],
        areas_px=index.areas_px[kept] if len(index.areas_px) else index.areas_px,
    )


def with_images(index: Index, numbers: np.ndarray) -> Index:
    """Only these images, in this order, with their objects. (n,) whole numbers"""
    counts = np.diff(index.first_object)[numbers]
    objects = _runs(index.first_object[numbers], counts)
    lengths = np.diff(index.first_point)[objects]
    points = _runs(index.first_point[objects], lengths)
    regions = np.diff(np.searchsorted(index.image_of_ignored, np.arange(len(index) + 1)))[numbers]
    ignored = _runs(np.searchsorted(index.image_of_ignored, numbers), regions)
    return replace(
        index,
        paths=tuple(index.paths[number] for number in numbers.tolist()),
        sizes_wh=index.sizes_wh[numbers],
        first_object=starts(counts),
        classes=index.classes[objects],
        boxes=index.boxes[objects],
        first_point=starts(lengths),
        points=index.points[points],
        ignored=index.ignored[ignored],
        image_of_ignored=np.repeat(np.arange(len(numbers)), regions),
        areas_px=index.areas_px[objects] if len(index.areas_px) else index.areas_px,
        source_of_image=index.source_of_image[numbers] if len(index.source_of_image) else index.source_of_image,
        digests=index.digests[numbers] if len(index.digests) else index.digests,
    )


def _runs(first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The numbers of runs that begin at `first` and have these lengths, one after the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    found: np.ndarray = np.arange(total) + np.repeat(first - (ends - lengths), lengths)
    return found


def with_classes(index: Index, numbers: np.ndarray) -> Index:
    """Every native class under its final number, objects of dropped classes gone. (C,) int32"""
    if len(numbers) and np.array_equal(numbers, np.arange(len(numbers))):
        return index
    mapped = numbers[index.classes] if len(numbers) else index.classes
    regions = index.ignored.copy()
    if len(regions):
        regions[:, 0] = numbers[regions[:, 0].astype(np.int64)]
    kept = regions[:, 0] != DROPPED
    changed = replace(
        index, classes=mapped.astype(np.int32), ignored=regions[kept], image_of_ignored=index.image_of_ignored[kept]
    )
    return with_objects(changed, mapped != DROPPED)


def joined(indexes: Sequence[Index]) -> Index:
    """Several sets, one after the other; each image remembers which it came from."""
    images = starts([len(index) for index in indexes])
    objects = starts([len(index.classes) for index in indexes])
    points = starts([len(index.points) for index in indexes])
    return Index(
        paths=tuple(path for index in indexes for path in index.paths),
        sizes_wh=np.concatenate([index.sizes_wh for index in indexes]),
        first_object=_chained([index.first_object for index in indexes], objects),
        classes=np.concatenate([index.classes for index in indexes]),
        boxes=np.concatenate([index.boxes for index in indexes]),
        first_point=_chained([index.first_point for index in indexes], points),
        points=np.concatenate([index.points for index in indexes]),
        findings=tuple(finding for index in indexes for finding in index.findings),
        skipped=sum(index.skipped for index in indexes),
        ignored=np.concatenate([index.ignored for index in indexes]),
        image_of_ignored=np.concatenate(
            [index.image_of_ignored + first for index, first in zip(indexes, images[:-1], strict=True)]
        ),
        areas_px=_areas(indexes),
        source_of_image=np.repeat(np.arange(len(indexes), dtype=np.int16), np.diff(images)),
        digests=np.concatenate(
            [index.digests for index in indexes]
            if all(len(index.digests) == len(index) for index in indexes)
            else [NO_DIGESTS]
        ),
    )


def _areas(indexes: Sequence[Index]) -> np.ndarray:
    if not any(len(index.areas_px) for index in indexes):
        return np.zeros(0, np.float32)
    return np.concatenate(
        [
            index.areas_px if len(index.areas_px) else np.full(len(index.classes), np.nan, np.float32)
            for index in indexes
        ]
    )


def _chained(runs: Sequence[np.ndarray], offsets: np.ndarray) -> np.ndarray:
    return np.concatenate([run[:-1] + offset for run, offset in zip(runs, offsets[:-1], strict=True)] + [offsets[-1:]])
