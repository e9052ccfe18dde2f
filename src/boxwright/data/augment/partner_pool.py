# SPDX-License-Identifier: Apache-2.0
"""Partners from a pool.

A mosaic takes its other images from those that the epoch has just come by, so that each is decoded once.

The pool of a position holds the images of the last positions up to its own; those of the epoch before stand in front of
the first. Every image is in the pools of equally many positions, so it is seen as often as when partners come from
anywhere. Which images these are follows from the address alone: a resumed run decodes them again and draws the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 1000  # images from which on a pool counts as large: four of them rarely meet twice


class Pool:
    """The last `size` positions. `order` gives the image numbers of an epoch, at least `size` of them."""

    def __init__(self, order: Callable[[int], np.ndarray], size: int) -> None:
        self.size = size
        self.order = functools.lru_cache(maxsize=4)(
            order
        )  # this epoch's and the one's before, while batches are drawn ahead

    def partners(self, epoch: int, position: int, draw: np.random.Generator, count: int) -> np.ndarray:
        """Image numbers, each position of the pool equally likely. (count,)"""
        places = position - draw.integers(self.size, size=count)
        order, before = self.order(epoch), self.order(max(epoch - 1, 0))
        return np.where(places >= 0, order[places], before[places])


class Recent(dict[int, np.ndarray]):
    """The pixels of the images that were decoded last: the oldest goes when more than `capacity` are there."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity

    def __setitem__(self, image: int, pixels: np.ndarray) -> None:
        super().__setitem__(image, pixels)
        if len(self) > self.capacity:
            del self[next(iter(self))]
