# SPDX-License-Identifier: Apache-2.0
"""Head and loss, forward and backward, against a dense head with losses gathered from it."""

from __future__ import annotations

import torch

from benchmarks.measure import Result, against
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules
from boxwright.model.head import Detect
from boxwright.model.sparse import SparseMaps
from tests.oracles.dense_loss import DenseLoss, dense_head

ANCHORS_PX = (
    torch.tensor([[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]])
    .float()
    .view(3, 3, 2)
)
STRIDES = (8, 16, 32)
WIDTHS = {"n": (64, 128, 256), "s": (128, 256, 512)}
GOALS = {"n": 8.0, "s": 4.0}
BATCH, SIZE, BOXES_PER_IMAGE = 16, 640, 7


def run() -> list[Result]:
    return [_measured(size, memory) for size in WIDTHS for memory in ("nchw", "nhwc")]


def _measured(size: str, memory: str) -> Result:
    draw = torch.Generator().manual_seed(0)
    head = Detect(80, ANCHORS_PX / torch.tensor(STRIDES).view(-1, 1, 1), WIDTHS[size])
    head.strides = STRIDES
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.05)
    head.start_biases()
    features = [
        torch.randn(BATCH, width, SIZE // s, SIZE // s, generator=draw)
        for width, s in zip(WIDTHS[size], STRIDES, strict=True)
    ]
    laid_out = [
        feature.contiguous(memory_format=torch.channels_last) if memory == "nhwc" else feature for feature in features
    ]
    rows = torch.rand(BATCH * BOXES_PER_IMAGE, 6, generator=draw)
    rows[:, 0] = torch.arange(BATCH).repeat_interleave(BOXES_PER_IMAGE)
    rows[:, 1] = torch.randint(0, 80, (len(rows),), generator=draw)
    rows[:, 4:] = rows[:, 4:] ** 2 * 0.5 + 0.01
    mine, textbook = DetectionLoss(LossRules(), head.anchors, STRIDES, 80), DenseLoss(head.anchors, 80)

    def ours() -> tuple[torch.Tensor, list[torch.Tensor]]:
        inputs = _fresh(head, laid_out)
        total = mine(SparseMaps(inputs, [head.weights(level) for level in range(3)]), rows).total
        total.backward()
        return total.detach(), inputs

    def theirs() -> tuple[torch.Tensor, list[torch.Tensor]]:
        inputs = _fresh(head, features)
        total = textbook(dense_head(inputs, head.m, 3), rows)[0]
        total.backward()
        return total.detach(), inputs

    (value, inputs), (value_dense, inputs_dense) = ours(), theirs()
    assert abs(float(value - value_dense)) <= 1e-6 * float(value_dense)
    assert all(float((a.grad - b.grad).abs().max()) <= 1e-5 for a, b in zip(inputs, inputs_dense, strict=True))
    return against(f"head + loss, {size}, 640, batch 16, float32, {memory}", ours, theirs, goal=GOALS[size])


def _fresh(head: Detect, features: list[torch.Tensor]) -> list[torch.Tensor]:
    head.zero_grad()
    return [feature.detach().requires_grad_() for feature in features]
