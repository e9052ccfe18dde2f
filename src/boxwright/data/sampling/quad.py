# SPDX-License-Identifier: Apache-2.0
"""Quad batches: four samples become one of twice the size, either tiled or the first of them enlarged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from boxwright.data.sampling.batches import ShuffledBatches
from boxwright.data.sampling.samples import Address
from boxwright.keyed import Purpose, generator
from boxwright.structures.truth import Truth

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP = 4
PLACES = ((0, 0), (1, 0), (0, 1), (1, 1))  # row and column of each of the four
ENLARGED = 0.5  # probability that the first fills the whole


@dataclass(frozen=True)
class QuadBatches:
    """The batches of an order in groups of four.

    An address stands for a group: its position is that of the first of them.
    """

    inner: ShuffledBatches

    def __len__(self) -> int:
        return len(self.inner)

    def batches(self, epoch: int, start: int = 0) -> list[list[Address]]:
        """The batches of an epoch from batch `start` on; each holds a quarter as many, of twice the size."""
        found = []
        for addresses in self.inner.batches(epoch, start):
            first = addresses[0].position
            count = math.ceil(len(addresses) / GROUP)
            found.append([self._group(epoch, first + GROUP * number) for number in range(count)])
        return found

    def members(self, address: Address) -> list[Address]:
        """The four of a group; a group that the epoch has no four images for starts again from its front."""
        order, (height, width) = self.inner.order(address.epoch), address.output_hw
        single = height // 2, width // 2
        return [
            Address(address.epoch, p, int(order[p % len(order)]), single)
            for p in range(address.position, address.position + GROUP)
        ]

    def _group(self, epoch: int, position: int) -> Address:
        side = 2 * self.inner.image_size
        return Address(epoch, position, int(self.inner.order(epoch)[position]), (side, side))


class QuadSamples:
    """Draws groups. Whether the first is enlarged belongs to (seed, epoch, position)."""

    def __init__(self, samples: Callable[[Address, np.ndarray], Truth], batches: QuadBatches, seed: int) -> None:
        self.samples, self.batches, self.seed = samples, batches, seed

    def __call__(self, address: Address, out: np.ndarray) -> Truth:
        """Draw a group into `out` (C, 2H, 2W); returns what is known about it."""
        members = self.batches.members(address)
        channels, height, width = out.shape
        if generator(self.seed, Purpose.QUAD, address.epoch, address.position).random() < ENLARGED:
            single = np.empty((channels, height // 2, width // 2), out.dtype)
            truth = self.samples(members[0], single)
            for channel, target in zip(single, out, strict=True):
                target[:] = cv2.resize(channel, (width, height), interpolation=cv2.INTER_LINEAR)
            return truth
        parts = []
        single = np.empty((channels, height // 2, width // 2), out.dtype)
        for member, (row, column) in zip(members, PLACES, strict=True):
            truth = self.samples(member, single)
            out[:, row * height // 2 : (row + 1) * height // 2, column * width // 2 : (column + 1) * width // 2] = (
                single
            )
            boxes = _in_quarter(truth.objects[:, 1:], row, column)
            parts.append(
                Truth(np.concatenate((truth.objects[:, :1], boxes), axis=1), _in_quarter(truth.regions, row, column))
            )
        return Truth(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _in_quarter(boxes: np.ndarray, row: int, column: int) -> np.ndarray:
    """Boxes normalised to one of the four -> to the whole. (N, 4)"""
    return boxes * np.float32(0.5) + np.array([column * 0.5, row * 0.5, 0, 0], np.float32)
