# SPDX-License-Identifier: Apache-2.0
"""What a detection head says, seen through the one question that a loss asks of every level.

B images, A anchors per cell, H rows, W columns, C classes, K cells asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


class Cells(NamedTuple):
    """Places on one level. (K,) int64 each."""

    image: torch.Tensor
    anchor: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor


class Answers(NamedTuple):
    """`objectness` (B, A, H, W) and `rows` (K, 4 + C): x, y, w, h, class 0, class 1, ... Both at least float32."""

    objectness: torch.Tensor
    rows: torch.Tensor


class HeadMaps(Protocol):
    """Raw (before the sigmoid) answers of a head.

    Whether they are computed everywhere or only where asked is its affair.
    """

    @property
    def num_levels(self) -> int:
        """Levels, finest first."""
        ...

    def grid(self, level: int) -> tuple[int, int, int, int]:
        """B, A, H, W of a level."""
        ...

    def answers(self, level: int, cells: Cells) -> Answers:
        """Objectness everywhere, boxes and classes at these cells."""
        ...


class DenseMaps:
    """Maps that were computed everywhere: (B, A, H, W, 5 + C) per level."""

    def __init__(self, raws: Sequence[torch.Tensor]) -> None:
        self.raws = tuple(raws)

    @property
    def num_levels(self) -> int:
        """Levels, finest first."""
        return len(self.raws)

    def grid(self, level: int) -> tuple[int, int, int, int]:
        """B, A, H, W of a level."""
        b, a, h, w = self.raws[level].shape[:4]
        return b, a, h, w

    def answers(self, level: int, cells: Cells) -> Answers:
        """Objectness everywhere, boxes and classes at these cells."""
        raw = self.raws[level]
        rows = at_least_float32(raw[cells.image, cells.anchor, cells.row, cells.column])
        kept = [i for i in range(rows.shape[1]) if i != OBJECTNESS]
        return Answers(at_least_float32(raw[..., OBJECTNESS]), rows[:, kept])


OBJECTNESS = 4  # place of objectness among the 5 + C answers of an anchor


def at_least_float32(values: torch.Tensor) -> torch.Tensor:
    """Half precisions become float32; float64 stays what it is."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
