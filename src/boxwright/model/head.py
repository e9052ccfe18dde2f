# SPDX-License-Identifier: Apache-2.0
"""The anchor head: one 1x1 convolution per level. Dense in evaluation; in training it answers sparsely (see `sparse`).

B images, A anchors per cell, H rows, W columns, C classes, F features, P = all anchors of all levels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import nn

from boxwright.model.sparse import SparseMaps
from boxwright.structures.maps import OBJECTNESS, DenseMaps, HeadMaps

if TYPE_CHECKING:
    from collections.abc import Sequence

EXPECTED_OBJECTS = 8  # per image of 640 pixels: where the bias start puts objectness
EXPECTED_SIZE = 640
CLASS_PRIOR = 0.6  # the bias start gives each class this share of an even guess


class Inference(NamedTuple):
    """`decoded`: boxes cxcywh in pixels and probabilities, (B, P, 5 + C).

    `maps`: the raw answers, for validation losses.
    """

    decoded: torch.Tensor
    maps: HeadMaps


class Detect(nn.Module):
    """Anchors, the convolutions, decoding.

    Weight names: `m.<level>`; buffer `anchors` (L, A, 2) in units of the level's stride.
    """

    anchors: torch.Tensor

    def __init__(self, num_classes: int, anchors_px: torch.Tensor, in_channels: Sequence[int]) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_levels, self.num_anchors = anchors_px.shape[:2]
        self.strides: tuple[int, ...] = (1,) * self.num_levels
        self.register_buffer("anchors", anchors_px.clone())
        self.m = nn.ModuleList(nn.Conv2d(channels, self.num_anchors * (num_classes + 5), 1) for channels in in_channels)

    def weights(self, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of one level by anchor and answer. (A, 5 + C, F), (A, 5 + C)"""
        conv = cast("nn.Conv2d", self.m[level])
        answers = self.num_classes + 5
        assert conv.bias is not None  # made with one
        return conv.weight.view(self.num_anchors, answers, -1), conv.bias.view(self.num_anchors, answers)

    def forward(self, features: list[torch.Tensor]) -> SparseMaps | Inference:
        """Training: the sparse maps. Evaluation: decoded predictions and the dense maps."""
        if self.training:
            return SparseMaps(features, [self.weights(level) for level in range(self.num_levels)])
        raws = self.raws(features)
        return Inference(self.decoded(raws), DenseMaps(raws))

    def raws(self, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Raw answers everywhere, finest level first. (B, A, H, W, 5 + C) each"""
        maps = [conv(feature) for conv, feature in zip(self.m, features, strict=True)]
        return [m.view(m.shape[0], self.num_anchors, -1, *m.shape[2:]).permute(0, 1, 3, 4, 2) for m in maps]

    def decoded(self, raws: Sequence[torch.Tensor]) -> torch.Tensor:
        """Boxes in pixels and probabilities, in the order level, anchor, row, column. (B, P, 5 + C)"""
        return torch.cat([self._decoded_level(level, raw) for level, raw in enumerate(raws)], 1)

    def _decoded_level(self, level: int, raw: torch.Tensor) -> torch.Tensor:
        raw = raw.to(
            torch.promote_types(raw.dtype, torch.float32)
        )  # half precision would round coordinates to whole pixels
        b, _, h, w, answers = raw.shape
        y, x = torch.meshgrid(torch.arange(h, device=raw.device), torch.arange(w, device=raw.device), indexing="ij")
        offsets = (
            torch.stack((x, y), -1).type_as(raw) - 0.5
        )  # and to its device: a traced network keeps the one it was traced on
        stride = self.strides[level]
        anchors_px = (self.anchors[level] * stride).to(raw.dtype).view(1, -1, 1, 1, 2)
        share = raw.sigmoid()
        xy = (share[..., 0:2] * 2 + offsets) * stride
        wh = (share[..., 2:4] * 2) ** 2 * anchors_px
        return torch.cat((xy, wh, share[..., 4:]), -1).reshape(b, -1, answers)

    @torch.no_grad()
    def start_biases(self, class_frequencies: torch.Tensor | None = None) -> None:
        """Biases that make the first guesses few and even.

        8 objects per 640-pixel image, classes equal or as frequent as given.
        """
        if class_frequencies is None:
            class_bias = torch.tensor(math.log(CLASS_PRIOR / (self.num_classes - 0.99999)))
        else:
            class_bias = torch.log(class_frequencies / class_frequencies.sum())
        for level, stride in enumerate(self.strides):
            _, bias = self.weights(level)
            bias[:, OBJECTNESS] += math.log(EXPECTED_OBJECTS / (EXPECTED_SIZE / stride) ** 2)
            bias[:, OBJECTNESS + 1 :] += class_bias
