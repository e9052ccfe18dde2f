# SPDX-License-Identifier: Apache-2.0
"""What a validation saw, all images in flat arrays. N images, M detections, L labels, boxes in native pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Flat:
    """`images` are the numbers of the images in their index; the other `*_images` say which of them a row belongs to, ascending."""

    images: np.ndarray  # (N,)
    detections: np.ndarray  # (M, 6) xyxy, confidence, class; best first within an image
    detection_images: np.ndarray  # (M,) places in `images`
    labels: np.ndarray  # (L, 5) class, xyxy
    label_images: np.ndarray  # (L,)
    num_classes: int

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything by name: what ranks send each other."""
        names = "images", "detections", "detection_images", "labels", "label_images"
        return {**{name: getattr(self, name) for name in names}, "num_classes": np.array(self.num_classes)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Flat:
        """The same again."""
        return cls(**{name: value for name, value in arrays.items() if name != "num_classes"}, num_classes=int(arrays["num_classes"]))

    def image(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Detections and labels of one image."""
        found = slice(*np.searchsorted(self.detection_images, (place, place + 1)))
        labels = slice(*np.searchsorted(self.label_images, (place, place + 1)))
        return self.detections[found], self.labels[labels]


def flattened(images: dict[int, tuple[np.ndarray, np.ndarray]], num_classes: int) -> Flat:
    """Images by number, whatever order they came in."""
    numbers = sorted(images)
    found, labels = ([images[number][side] for number in numbers] for side in (0, 1))
    found_images, label_images = (np.repeat(np.arange(len(numbers)), [len(rows) for rows in side]) for side in (found, labels))
    return Flat(np.array(numbers, np.int64), _stacked(found, 6), found_images, _stacked(labels, 5), label_images, num_classes)


def _stacked(arrays: list[np.ndarray], columns: int) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros((0, columns), np.float32)
