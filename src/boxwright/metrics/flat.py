# SPDX-License-Identifier: Apache-2.0
"""What a validation saw, all images in flat arrays.

N images, M detections, L labels, K regions to ignore, boxes in native pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

NO_REGIONS = np.zeros((0, 5), np.float32)


class SeenImage(NamedTuple):
    """One image: detections (M, 6), labels (L, 5), regions to ignore (K, 5) class, xyxy.

    `areas_px` (L,) of the labels, NaN where none is stated.
    """

    detections: np.ndarray
    labels: np.ndarray
    regions: np.ndarray = NO_REGIONS
    areas_px: np.ndarray | None = None


@dataclass(frozen=True)
class Flat:
    """`images` are the numbers of the images in their index.

    The other `*_images` say which of them a row belongs to, ascending.
    """

    images: np.ndarray  # (N,)
    detections: np.ndarray  # (M, 6) xyxy, confidence, class; best first within an image
    detection_images: np.ndarray  # (M,) places in `images`
    labels: np.ndarray  # (L, 5) class, xyxy
    label_images: np.ndarray  # (L,)
    num_classes: int
    regions: np.ndarray = field(
        default_factory=lambda: NO_REGIONS
    )  # (K, 5) class, xyxy: nothing is right or wrong there
    region_images: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))  # (K,)
    areas_px: np.ndarray | None = None  # (L,) of the labels as stated, NaN where not; None: nothing is stated

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name: what ranks send each other."""
        names = (
            "images",
            "detections",
            "detection_images",
            "labels",
            "label_images",
            "regions",
            "region_images",
            "areas_px",
        )
        return {
            **{name: getattr(self, name) for name in names if getattr(self, name) is not None},
            "num_classes": np.array(self.num_classes),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Flat:
        """The same again."""
        return cls(
            **{name: value for name, value in arrays.items() if name != "num_classes"},
            num_classes=int(arrays["num_classes"]),
        )

    def image(self, place: int) -> SeenImage:
        """What was seen of one image."""
        sides = self.detection_images, self.label_images, self.region_images
        found, labels, regions = (slice(*np.searchsorted(side, (place, place + 1))) for side in sides)
        return SeenImage(
            self.detections[found],
            self.labels[labels],
            self.regions[regions],
            None if self.areas_px is None else self.areas_px[labels],
        )

    def part(self, places: np.ndarray) -> Flat:
        """The same of some images, places in `images`."""
        return flattened({int(self.images[place]): self.image(place) for place in places.tolist()}, self.num_classes)


def flattened(images: dict[int, SeenImage], num_classes: int) -> Flat:
    """Images by number, whatever order they came in."""
    numbers = sorted(images)
    seen = [images[number] for number in numbers]
    found, labels, regions = (
        [one.detections for one in seen],
        [one.labels for one in seen],
        [one.regions for one in seen],
    )
    found_images, label_images, region_images = (
        np.repeat(np.arange(len(seen)), [len(rows) for rows in side]) for side in (found, labels, regions)
    )
    stated = any(one.areas_px is not None for one in seen)
    areas = (
        np.concatenate([np.full(len(one.labels), np.nan) if one.areas_px is None else one.areas_px for one in seen])
        if stated
        else None
    )
    return Flat(
        np.array(numbers, np.int64),
        *(_stacked(found, 6), found_images, _stacked(labels, 5), label_images),
        num_classes=num_classes,
        regions=_stacked(regions, 5),
        region_images=region_images,
        areas_px=areas,
    )


def _stacked(arrays: list[np.ndarray], columns: int) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros((0, columns), np.float32)
