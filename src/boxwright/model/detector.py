# SPDX-License-Identifier: Apache-2.0
"""The detector: a model description made into a network. Weights are named `model.<row>.<attribute path>`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from boxwright.errors import ModelError
from boxwright.model.blocks.activation import Activation
from boxwright.model.builders import Style, module_of
from boxwright.model.head import Detect, Inference
from boxwright.model.initial import initialize
from boxwright.model.probe import strides_of
from boxwright.model.sparse import SparseMaps
from boxwright.model.spec import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_PARAMETERS = 2_000_000_000


class Detector(nn.Module):
    """Rows of modules with skip connections, the anchor head last."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        style = Style(Activation(spec.activation), Activation(spec.csp_activation), spec)
        self.model = nn.Sequential(*(module_of(row, style) for row in spec.rows))
        self._kept = frozenset(spec.saved)

    @property
    def head(self) -> Detect:
        """The last row."""
        head = self.model[-1]
        assert isinstance(head, Detect)  # the description was checked
        return head

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per cell of every level."""
        return self.head.strides

    @property
    def num_classes(self) -> int:
        """Classes that it tells apart."""
        return self.head.num_classes

    @property
    def in_channels(self) -> int:
        """Channels of its images."""
        return self.spec.in_channels

    @property
    def grid(self) -> int:
        """Image sides have to be a multiple of this."""
        return max(self.strides)

    def forward(self, images: torch.Tensor) -> SparseMaps | Inference:
        """Training: maps for the loss.

        Evaluation: decoded predictions with the raw maps. images (B, 3, H, W) in 0..1
        """
        answer: SparseMaps | Inference = self.head(self.features(images))
        return answer

    def features(self, images: torch.Tensor) -> list[torch.Tensor]:
        """What the head sees: one map per level. (B, F, H / stride, W / stride)"""
        kept: dict[int, torch.Tensor] = {}
        x = images
        for row, module in zip(self.spec.rows[:-1], self.model, strict=False):
            inputs = [x if s == row.index - 1 else kept[s] for s in row.sources]
            x = module(inputs if row.block == "Concat" else inputs[0])
            if row.index in self._kept:
                kept[row.index] = x
        last = self.spec.rows[-1]
        return [x if s == last.index - 1 else kept[s] for s in last.sources]


def build(spec: ModelSpec, *, seed: int = 0, fits: Callable[[Detector], None] | None = None) -> Detector:
    """The network of this description with initial weights keyed by seed and name.

    `fits` may refuse its shape before it takes memory.
    """
    detector = shape_only(spec)
    if fits is not None:
        fits(detector)
    strides = detector.strides
    detector = detector.to_empty(device="cpu")
    initialize(detector, seed)
    _place_anchors(detector.head, spec, strides)
    detector.head.start_biases()
    return detector


def shape_only(spec: ModelSpec) -> Detector:
    """The network without memory behind its tensors: for counting, and for strides.

    Raises ModelError when rows do not fit.
    """
    with torch.device("meta"):
        detector = Detector(spec)
        _require_bearable(detector)
        detector.head.strides = strides_of(detector.eval().model, spec)
    return detector.train()


def _require_bearable(detector: Detector) -> None:
    counts = [sum(p.numel() for p in module.parameters()) for module in detector.model]
    if sum(counts) > MAX_PARAMETERS:
        row = detector.spec.rows[counts.index(max(counts))]
        what = f"{row.title}: the network would have {sum(counts) / 1e9:.0f} billion parameters, most of them here"
        raise ModelError(row.place, what, "Reduce width_multiple or the channels of its rows")


@torch.no_grad()
def _place_anchors(head: Detect, spec: ModelSpec, strides: tuple[int, ...]) -> None:
    """Anchors in units of their level's stride, the levels in order of size."""
    anchors_px = torch.tensor(spec.anchors_px)
    mean_areas = anchors_px.prod(-1).mean(-1)
    if (mean_areas[-1] - mean_areas[0]) * (strides[-1] - strides[0]) < 0:
        anchors_px = anchors_px.flip(0)
    head.strides = strides
    head.anchors.copy_(anchors_px / torch.tensor(strides).view(-1, 1, 1))
