# SPDX-License-Identifier: Apache-2.0
"""A network that answers what it was told beforehand.

So that what is done with answers can be checked to the number.
"""

from __future__ import annotations

import torch
from torch import nn

from boxwright.model.head import Inference
from boxwright.structures.maps import DenseMaps


class Knowing(nn.Module):
    """Call number i gets answer number i.

    Decoded rows (B, P, 5 + C), cx cy w h in canvas pixels, objectness, classes.
    """

    def __init__(self, answers: list[torch.Tensor]) -> None:
        super().__init__()
        self.answers = answers
        self.shapes: list[tuple[int, ...]] = []

    def forward(self, images: torch.Tensor) -> Inference:
        self.shapes.append(tuple(images.shape))
        return Inference(self.answers[len(self.shapes) - 1], DenseMaps([]))


def certain(boxes_cxcywh_px: torch.Tensor, classes: torch.Tensor, num_classes: int, score: float = 0.9) -> torch.Tensor:
    """Rows of one image that say just this. (N, 4), (N,) -> (N, 5 + C)"""
    chosen = nn.functional.one_hot(classes.long(), num_classes).float() * score
    return torch.cat((boxes_cxcywh_px.float(), torch.ones(len(classes), 1), chosen), dim=1)
