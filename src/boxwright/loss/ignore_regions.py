# SPDX-License-Identifier: Apache-2.0
"""Answers that are neither right nor wrong: background in regions to ignore.

B images, A anchors per cell, H rows, W columns, K matches, R regions.
"""

from __future__ import annotations

import torch

from boxwright.loss.assign import Matches


def ignored_answers(regions: torch.Tensor, matches: Matches, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Which of the answers (B, A, H, W) stand in a region with the centre of their cell, and no object claims them.

    (B, A, H, W) bool

    regions (R, 5): image, cx, cy, w, h normalised.
    """
    return _covered(regions, shape)[:, None] & ~_claimed(matches, shape)


def _covered(regions: torch.Tensor, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Which cells have their centre in a region of their image, its edge included. (B, H, W) bool"""
    b, _, h, w = shape
    x, y = ((torch.arange(count, device=regions.device) + 0.5) / count for count in (w, h))
    columns = (x - regions[:, 1:2]).abs() <= regions[:, 3:4] / 2
    rows = (y - regions[:, 2:3]).abs() <= regions[:, 4:5] / 2
    inside = (rows[:, :, None] & columns[:, None]).float()
    return inside.new_zeros(b, h, w).index_add(0, regions[:, 0].long(), inside) > 0


def _claimed(matches: Matches, shape: tuple[int, int, int, int]) -> torch.Tensor:
    """Which answers an object has claimed. (B, A, H, W) bool"""
    _, a, h, w = shape
    cells = matches.cells
    place = ((cells.image * a + cells.anchor) * h + cells.row) * w + cells.column
    real = torch.ones_like(place) if matches.valid is None else matches.valid.long()
    claims = place.new_zeros(shape).flatten().index_add(0, place, real)
    return claims.view(shape) > 0
