# SPDX-License-Identifier: Apache-2.0
"""Target assignment on one level: every target fits some anchors, and takes its own cell and up to two neighbours.

N targets, A anchors per cell, O = 5 offsets (own cell, left, up, right, down), K matches. Matches stand in the order
offset, anchor, target; where two fall on one cell and anchor, the later one sets its objectness.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from boxwright.structures.maps import Cells

NEAR = 0.5  # a neighbour takes part when the centre lies in the half of the cell that faces it
OFFSETS_XY = ((0.0, 0.0), (NEAR, 0.0), (0.0, NEAR), (-NEAR, 0.0), (0.0, -NEAR))


class Matches(NamedTuple):
    """What answers for what. `boxes`: dx, dy from the cell, w, h, all in cells.

    `valid` is None when every row is real.
    """

    cells: Cells
    classes: torch.Tensor  # (K,) int64
    boxes: torch.Tensor  # (K, 4)
    anchors_wh: torch.Tensor  # (K, 2)
    valid: torch.Tensor | None  # (K,) bool


def assign(
    targets: torch.Tensor,
    anchors_wh: torch.Tensor,
    grid_hw: tuple[int, int],
    anchor_t: float,
    *,
    fixed_shapes: bool = False,
) -> Matches:
    """Match targets to cells and anchors of one level.

    targets (N, 6): image, class, cx, cy, w, h normalised; anchors (A, 2) in cells. With `fixed_shapes` all O * A * N
    proposals come back and `valid` says which are real: nothing then depends on values, so a GPU need not be asked.
    """
    num_targets, num_anchors = len(targets), len(anchors_wh)
    height, width = grid_hw
    size = targets.new_tensor([width, height])
    centres, sizes = targets[:, 2:4] * size, targets[:, 4:6] * size
    fits = _fits(sizes, anchors_wh, anchor_t)
    real = (_takes_part(centres, size)[:, None] & fits[None]).flatten()  # (O * A * N)
    shape = len(OFFSETS_XY), num_anchors, num_targets
    if fixed_shapes:
        places = torch.arange(real.numel(), device=real.device)
        valid: torch.Tensor | None = real
    else:
        places = real.nonzero()[:, 0]
        valid = None
    offset, anchor, target = (
        (places // (num_anchors * num_targets)),
        (places // max(num_targets, 1)) % shape[1],
        places % max(num_targets, 1),
    )
    corner = (centres[target] - targets.new_tensor(OFFSETS_XY)[offset]).floor().long()
    column, row = corner[:, 0].clamp(0, width - 1), corner[:, 1].clamp(0, height - 1)
    shift = centres[target] - torch.stack((column, row), 1).to(centres.dtype)
    images, classes = targets[target, 0].long(), targets[target, 1].long()
    cells = Cells(images, anchor, row, column)
    return Matches(cells, classes, torch.cat((shift, sizes[target]), 1), anchors_wh[anchor], valid)


def _fits(sizes: torch.Tensor, anchors_wh: torch.Tensor, anchor_t: float) -> torch.Tensor:
    """Whether neither side of a target differs from an anchor by `anchor_t` times or more. (A, N) bool"""
    ratio = sizes[None] / anchors_wh[:, None]
    fits: torch.Tensor = torch.maximum(ratio, 1 / ratio).amax(-1) < anchor_t
    return fits


def _takes_part(centres: torch.Tensor, size: torch.Tensor) -> torch.Tensor:
    """Which of the five cells of each target take part. (O, N) bool"""
    from_far = size - centres
    near_low = (centres % 1 < NEAR) & (centres > 1)
    near_high = (from_far % 1 < NEAR) & (from_far > 1)
    own = torch.ones_like(near_low[:, 0])
    return torch.stack((own, near_low[:, 0], near_low[:, 1], near_high[:, 0], near_high[:, 1]))
