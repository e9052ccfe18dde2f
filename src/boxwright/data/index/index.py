# SPDX-License-Identifier: Apache-2.0
"""The index of a split: every usable image with its size and objects, in flat arrays that stay small for large sets.

N images, M objects, P polygon points, K regions to ignore in all.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.data.labels.findings import Finding
from boxwright.data.pixels.image_files import read_rgb
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px

if TYPE_CHECKING:
    from collections.abc import Iterator

DIGEST_BYTES = 16
NO_DIGESTS = np.zeros((0, DIGEST_BYTES), np.uint8)


@dataclass(frozen=True)
class Record:
    """One image and its objects, for people and programs outside."""

    path: str
    size_wh: tuple[int, int]
    classes: np.ndarray  # (n,) int32
    boxes_cxcywh_norm: np.ndarray  # (n, 4) float32
    polygons: tuple[np.ndarray, ...]  # one (p, 2) each, empty for plain boxes
    ignored: np.ndarray  # (k, 5) float32 rows class, cx, cy, w, h: regions where nothing is right or wrong
    areas_px: np.ndarray  # (n,) float32 as the annotations state them, NaN where they do not

    def image_rgb(self) -> np.ndarray:
        """The upright pixels in full size. (H, W, 3) uint8"""
        return read_rgb(self.path)

    def corners_px(self, boxes_cxcywh_norm: np.ndarray) -> np.ndarray:
        """Boxes of this image as x1, y1, x2, y2 in its pixels. (n, 4) -> (n, 4) float64"""
        return cxcywh_norm_to_xyxy_px(boxes_cxcywh_norm.astype(np.float64), self.size_wh[::-1])


@dataclass(frozen=True)
class Index:
    """Flat arrays. Objects of image i are `first_object[i]` to `first_object[i + 1]`; points of object j likewise."""

    paths: tuple[str, ...]
    sizes_wh: np.ndarray  # (N, 2) int32, upright
    first_object: np.ndarray  # (N + 1,) int64
    classes: np.ndarray  # (M,) int32
    boxes: np.ndarray  # (M, 4) float32 cxcywh normalised
    first_point: np.ndarray  # (M + 1,) int64
    points: np.ndarray  # (P, 2) float32
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    skipped: int = 0
    ignored: np.ndarray = field(
        default_factory=lambda: np.zeros((0, 5), np.float32)
    )  # (K, 5) class, cx, cy, w, h: crowds, difficult objects
    image_of_ignored: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (K,) ascending
    areas_px: np.ndarray = field(
        default_factory=lambda: np.zeros(0, np.float32)
    )  # (M,) as stated, NaN where not; empty: nothing is stated
    source_of_image: np.ndarray = field(
        default_factory=lambda: np.zeros(0, np.int16)
    )  # (N,) which source of the split; empty: there is one
    digests: np.ndarray = field(
        default_factory=lambda: NO_DIGESTS
    )  # (N, 16) of the content of every image file; empty: not known

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, image: int) -> Record:
        if not -len(self) <= image < len(self):
            raise IndexError(image)
        image %= len(self)
        objects = self.objects(image)
        width, height = self.sizes_wh[image].tolist()
        labels = self.classes[objects], self.boxes[objects], self.polygons(image)
        return Record(self.paths[image], (width, height), *labels, self.ignored_in(image), self.areas_in(image))

    def __iter__(self) -> Iterator[Record]:
        return (self[image] for image in range(len(self)))

    def objects(self, image: int) -> slice:
        """Where the objects of an image stand in the flat arrays."""
        return slice(int(self.first_object[image]), int(self.first_object[image + 1]))

    def polygons(self, image: int) -> tuple[np.ndarray, ...]:
        """The outlines of an image's objects."""
        objects = self.objects(image)
        ends = self.first_point[objects.start : objects.stop + 1].tolist()
        return tuple(self.points[begin:end] for begin, end in itertools.pairwise(ends))

    def ignored_in(self, image: int) -> np.ndarray:
        """Regions of an image in which nothing is right or wrong. (k, 5) class, cx, cy, w, h"""
        begin, end = np.searchsorted(self.image_of_ignored, [image, image + 1])
        return self.ignored[begin:end]

    def areas_in(self, image: int) -> np.ndarray:
        """The stated areas of an image's objects, in square pixels, NaN where nothing is stated. (n,)"""
        objects = self.objects(image)
        return (
            self.areas_px[objects] if len(self.areas_px) else np.full(objects.stop - objects.start, np.nan, np.float32)
        )

    @property
    def has_polygons(self) -> bool:
        """Whether any object has an outline."""
        return len(self.points) > 0

    @property
    def image_of_object(self) -> np.ndarray:
        """The image number of every object. (M,)"""
        return np.repeat(np.arange(len(self)), np.diff(self.first_object))

    def counts(self) -> dict[str, int]:
        """As data.json tells it: images that take part, those left out, those without objects, and the objects."""
        background = int((np.diff(self.first_object) == 0).sum())
        return {"used": len(self), "skipped": self.skipped, "background": background, "boxes": len(self.classes)}

    def class_counts(self, num_classes: int) -> np.ndarray:
        """Objects of each class. (C,)"""
        return np.bincount(self.classes, minlength=num_classes)

    def boxes_wh_px(self, image_size: int) -> np.ndarray:
        """Width and height of every object when the long side of its image is `image_size`. (M, 2)"""
        sizes = self.sizes_wh[self.image_of_object].astype(np.float64)
        result: np.ndarray = self.boxes[:, 2:] * sizes * (image_size / sizes.max(axis=1, keepdims=True))
        return result

    def fingerprint(self) -> str:
        """A digest of file names and objects, not of pixels: what checkpoints up to 0.1 know a data set by.

        `fingerprint.py` covers content.
        """
        digest = hashlib.sha256("\n".join(short_name(path) for path in self.paths).encode("utf-8", "surrogateescape"))
        for array in (self.sizes_wh, self.first_object, self.classes, self.boxes, self.points, self.ignored):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def arrays(self) -> dict[str, Any]:
        """The flat arrays by name."""
        names = (
            "sizes_wh",
            "first_object",
            "classes",
            "boxes",
            "first_point",
            "points",
            "ignored",
            "image_of_ignored",
            "areas_px",
            "digests",
        )
        return {name: getattr(self, name) for name in names}


def short_name(path: str) -> str:
    """The name of a file without its folder, whichever system wrote the path."""
    return path.replace("\\", "/").rsplit("/", 1)[-1]
