# SPDX-License-Identifier: Apache-2.0
"""What the loader hands to the loop. B images, N objects, K regions to ignore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.structures.pixels import visible

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Batch:
    """`images` (B, C, H, W) uint8 or uint16, RGB where C is 3, valid until the next batch is asked for.

    `targets` (N, 6) image, class, cx, cy, w, h normalised.

    `image_numbers` (B,) are the places of the images in their index; `wait_s` is how long the loop had to wait for it.
    `regions` (K, 5) image, cx, cy, w, h normalised, where nothing is right or wrong; None where there are none, so that
    nobody works for them.
    """

    images: torch.Tensor
    targets: torch.Tensor
    image_numbers: tuple[int, ...]
    wait_s: float = 0.0
    regions: torch.Tensor | None = None

    def __post_init__(self) -> None:
        assert self.images.dtype in {torch.uint8, torch.uint16}
        assert self.images.shape[0] == len(self.image_numbers)
        assert self.targets.shape[1] == 6  # noqa: PLR2004 -- the columns above
        assert self.regions is None or self.regions.shape[1] == 5  # noqa: PLR2004 -- likewise

    def __len__(self) -> int:
        return len(self.image_numbers)

    @property
    def full_scale(self) -> int:
        """The value that stands for 1."""
        return 255 if self.images.dtype == torch.uint8 else 65535

    def visible(self) -> np.ndarray:
        """The images for eyes. (B, 3, H, W) uint8"""
        return visible(self.images.numpy())

    def copied(self) -> Batch:
        """The same, in memory of its own: for those who keep it."""
        regions = None if self.regions is None else self.regions.clone()
        return Batch(self.images.clone(), self.targets.clone(), self.image_numbers, self.wait_s, regions)

    def part(self, first: int, last: int) -> Batch:
        """Images first..last-1 and what belongs to them, over the same pixels."""
        regions = None if self.regions is None else part_of(self.regions, first, last)
        return Batch(
            self.images[first:last],
            part_of(self.targets, first, last),
            self.image_numbers[first:last],
            self.wait_s,
            regions,
        )


def part_of(rows: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """The rows of images first..last-1, which are counted from 0 then; their first column is the image.

    (N, M) -> (n, M)
    """
    mine = rows[(rows[:, 0] >= first) & (rows[:, 0] < last)].clone()
    mine[:, 0] -= first
    return mine
