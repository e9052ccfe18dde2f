# SPDX-License-Identifier: Apache-2.0
"""The order of an epoch and its batches. Its whole state is (epoch, batch): both are given, nothing is remembered."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.data.sampling.rectangles import batch_shapes, order_by_shape
from boxwright.data.sampling.samples import Address
from boxwright.keyed import Purpose, generator, permutation

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ShuffledBatches:
    """Square batches in an order that belongs to the epoch.

    With `image_weights` images are drawn by weight, with replacement.
    """

    num_images: int
    batch_size: int
    image_size: int
    seed: int
    image_weights: np.ndarray | None = None

    def __len__(self) -> int:
        return math.ceil(self.num_images / self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Image numbers of an epoch. (N,)"""
        if self.image_weights is None:
            return permutation(self.num_images, self.seed, Purpose.ORDER, epoch)
        draw = generator(self.seed, Purpose.ORDER, epoch)
        return draw.choice(self.num_images, self.num_images, p=self.image_weights / self.image_weights.sum())

    def batches(self, epoch: int, start: int = 0) -> list[list[Address]]:
        """The batches of an epoch from batch `start` on."""
        order = self.order(epoch)
        square = self.image_size, self.image_size
        return [
            [
                Address(epoch, position, int(order[position]), square)
                for position in range(first, min(first + self.batch_size, self.num_images))
            ]
            for first in range(start * self.batch_size, self.num_images, self.batch_size)
        ]


@dataclass(frozen=True)
class RectangularBatches:
    """Batches of images of similar shape, always in the same order."""

    sizes_wh: np.ndarray
    batch_size: int
    image_size: int
    stride: int
    pad: float

    def __len__(self) -> int:
        return math.ceil(len(self.sizes_wh) / self.batch_size)

    def batches(self, epoch: int = 0, start: int = 0) -> list[list[Address]]:
        """The batches from batch `start` on."""
        order = order_by_shape(self.sizes_wh)
        shapes = batch_shapes(self.sizes_wh[order], self.image_size, self.stride, self.pad, self.batch_size).tolist()
        found = []
        for number in range(start, len(self)):
            first = number * self.batch_size
            height, width = shapes[number]
            last = min(first + self.batch_size, len(order))
            found.append(
                [Address(epoch, position, int(order[position]), (height, width)) for position in range(first, last)]
            )
        return found


@dataclass(frozen=True)
class SquareBatches:
    """Square batches in the order of the index: for timing, where every batch has to be alike."""

    num_images: int
    batch_size: int
    image_size: int

    def __len__(self) -> int:
        return math.ceil(self.num_images / self.batch_size)

    def batches(self, epoch: int = 0, start: int = 0) -> list[list[Address]]:
        """The batches from batch `start` on."""
        square = self.image_size, self.image_size
        numbers = range(start * self.batch_size, self.num_images, self.batch_size)
        return [
            [Address(epoch, i, i, square) for i in range(first, min(first + self.batch_size, self.num_images))]
            for first in numbers
        ]
