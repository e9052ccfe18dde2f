# SPDX-License-Identifier: Apache-2.0
"""Training maps that compute objectness everywhere and boxes and classes only where asked.

In training only objectness is needed at every cell; boxes and classes matter at the assigned cells alone, about one in
a thousand. Same loss, same gradients as the dense head, without its large tensors.

B images, A anchors per cell, H rows, W columns, C classes, F features, K cells asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn import functional

from boxwright.structures.maps import OBJECTNESS, Answers, Cells, at_least_float32

if TYPE_CHECKING:
    from collections.abc import Sequence


class SparseMaps:
    """What the head saw, ready to be asked. `weights` per level: (A, 5 + C, F) and biases (A, 5 + C)."""

    def __init__(self, features: Sequence[torch.Tensor], weights: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        self.features = tuple(features)
        self.weights = tuple(weights)

    @property
    def num_levels(self) -> int:
        """Levels, finest first."""
        return len(self.features)

    def grid(self, level: int) -> tuple[int, int, int, int]:
        """B, A, H, W of a level."""
        b, _, h, w = self.features[level].shape
        return b, len(self.weights[level][0]), h, w

    def answers(self, level: int, cells: Cells) -> Answers:
        """Objectness everywhere, boxes and classes at these cells."""
        feature = self.features[level]
        weight, bias = self.weights[level]
        objectness, gathered = _tap(
            feature, weight[:, OBJECTNESS].to(feature.dtype), cells.image, cells.row, cells.column
        )
        objectness = at_least_float32(objectness) + bias[:, OBJECTNESS, None, None]
        return Answers(objectness, self._rows(at_least_float32(gathered), weight, bias, cells.anchor))

    def _rows(
        self, gathered: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, anchor: torch.Tensor
    ) -> torch.Tensor:
        """One small product in full precision for all anchors, then the row of the right one. (K, F) -> (K, 4 + C)"""
        kept = [i for i in range(weight.shape[1]) if i != OBJECTNESS]
        with torch.autocast(gathered.device.type, enabled=False):
            answers = functional.linear(gathered, weight[:, kept].flatten(0, 1), bias[:, kept].flatten())
        answers = answers.view(len(gathered), weight.shape[0], len(kept))
        return answers[torch.arange(len(gathered), device=answers.device), anchor]


class _Tap(torch.autograd.Function):
    """A product with a few rows of weights at every cell, and the bare features of some cells.

    One function, so that backward writes the feature gradient once: the product's part, with the few rows added in
    place.
    """

    @staticmethod
    def forward(
        ctx: Any,
        feature: torch.Tensor,
        weight: torch.Tensor,
        image: torch.Tensor,
        row: torch.Tensor,
        column: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(feature, weight, image, row, column)
        b, _, h, w = feature.shape
        if _rows_first(feature):
            product = (_as_rows(feature) @ weight.t()).view(b, h, w, len(weight)).permute(0, 3, 1, 2)
        else:
            product = torch.bmm(weight.expand(b, -1, -1), feature.flatten(2)).view(b, len(weight), h, w)
        return product, feature.permute(0, 2, 3, 1)[image, row, column]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        feature, weight, image, row, column = ctx.saved_tensors
        product, gathered = gradients
        b, f, h, w = feature.shape
        if _rows_first(feature):
            rows = product.permute(0, 2, 3, 1).reshape(b * h * w, product.shape[1])
            to_feature = (rows @ weight).view(b, h, w, f).permute(0, 3, 1, 2)
            to_weight = rows.t() @ _as_rows(feature)
        else:
            flat = product.flatten(2)
            to_feature = torch.bmm(weight.t().expand(b, -1, -1), flat).view(b, f, h, w)
            to_weight = torch.matmul(flat, feature.flatten(2).transpose(1, 2)).sum(0)
        to_feature.permute(0, 2, 3, 1).index_put_((image, row, column), gathered, accumulate=True)
        return to_feature, to_weight, None, None, None


def _tap(*arguments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Feature (B, F, H, W), weight (A, F), image, row, column (K,) -> (B, A, H, W), (K, F)"""
    return cast("tuple[torch.Tensor, torch.Tensor]", _Tap.apply(*arguments))  # type: ignore[no-untyped-call]  # untyped in the framework


def _rows_first(feature: torch.Tensor) -> bool:
    """Whether the features of one cell lie side by side in memory."""
    return feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous()


def _as_rows(feature: torch.Tensor) -> torch.Tensor:
    """Cells as rows, without a copy. (B, F, H, W) -> (B * H * W, F)"""
    return feature.permute(0, 2, 3, 1).reshape(-1, feature.shape[1])
