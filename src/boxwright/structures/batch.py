# SPDX-License-Identifier: Apache-2.0
"""What the loader hands to the loop. B images, N objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Batch:
    """`images` (B, 3, H, W) uint8 RGB, valid until the next batch is asked for; `targets` (N, 6) image, class, cx, cy, w, h normalised.

    `image_numbers` (B,) are the places of the images in their index; `wait_s` is how long the loop had to wait for it.
    """

    images: torch.Tensor
    targets: torch.Tensor
    image_numbers: tuple[int, ...]
    wait_s: float = 0.0

    def __post_init__(self) -> None:
        assert self.images.dtype == torch.uint8
        assert self.images.shape[0] == len(self.image_numbers)
        assert self.targets.shape[1] == 6  # noqa: PLR2004 -- the columns above

    def __len__(self) -> int:
        return len(self.image_numbers)

    def copied(self) -> Batch:
        """The same, in memory of its own: for those who keep it."""
        return Batch(self.images.clone(), self.targets.clone(), self.image_numbers, self.wait_s)
