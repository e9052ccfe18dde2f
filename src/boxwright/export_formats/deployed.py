# SPDX-License-Identifier: Apache-2.0
"""The network as it is exported: folded, images in, predictions out."""

from __future__ import annotations

import torch
from torch import nn

from boxwright.model.detector import Detector
from boxwright.model.fuse import fused


class Deployed(nn.Module):
    """(B, C, H, W) float32 in 0..1 -> (B, P, 5 + C) float32: cxcywh in pixels, objectness, class scores.

    `half`: in between in half precision.
    """

    def __init__(self, detector: Detector, *, half: bool = False) -> None:
        super().__init__()
        self.network, self.half_precision = fused(detector), half
        if half:
            anchors = self.network.head.anchors
            self.network.half()
            self.network.head.anchors = anchors  # boxes are decoded in full precision
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.network(images.half() if self.half_precision else images).decoded
        return answer
