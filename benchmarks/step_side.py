# SPDX-License-Identifier: Apache-2.0
"""One side of the full training step, in a process of its own.

A line in is a step, a line out its CPU seconds and loss.

`python -m benchmarks.step_side ours|textbook n|s SIZE default|tuned [full]`; `full` = float32 also on our side.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import torch

from boxwright.engine.ema import Ema
from boxwright.loss.detection import DetectionLoss
from boxwright.loss.rules import LossRules
from boxwright.system.device import keep_memory
from boxwright.system.transfer import PixelBuffer
from tests.oracles.dense_loss import DenseLoss, dense_head
from tests.oracles.loop_ema import LoopEma
from tests.support.networks import network

if TYPE_CHECKING:
    from collections.abc import Callable

BATCH, BOXES_PER_IMAGE, CLASSES = 16, 7, 80
RATE, MOMENTUM, CLIP_NORM = 0.001, 0.9, 10.0


def batch(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 3, H, W) uint8 and rows of targets, the same for every process."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH, 3, size, size), dtype=torch.uint8, generator=draw)
    rows = torch.rand(BATCH * BOXES_PER_IMAGE, 6, generator=draw)
    rows[:, 0] = torch.arange(BATCH).repeat_interleave(BOXES_PER_IMAGE)
    rows[:, 1] = torch.randint(0, CLASSES, (len(rows),), generator=draw)
    rows[:, 4:] = rows[:, 4:] ** 2 * 0.5 + 0.01
    return images, rows


def ours(width: str, size: int, *, half: bool) -> Callable[[], float]:
    """What the trainer does at every batch: lower precision, features side by side, sparse head, fused lists."""
    images, rows = batch(size)
    detector = network(f"yolov5{width}", num_classes=CLASSES).train().to(memory_format=torch.channels_last)
    loss, average = DetectionLoss(LossRules(), detector.head.anchors, detector.strides, CLASSES), Ema(detector)
    pixels = PixelBuffer(torch.device("cpu"))
    optimizer = torch.optim.SGD(detector.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True, fused=True)

    def step() -> float:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            total = loss(detector(pixels.of(images)), rows).total
        total.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), CLIP_NORM, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(detector)
        return float(total.detach())

    return step


def textbook(width: str, size: int) -> Callable[[], float]:
    """As one would write it: float32, a dense permuted head, loops over tensors."""
    images, rows = batch(size)
    detector = network(f"yolov5{width}", num_classes=CLASSES).train()
    loss, average = DenseLoss(detector.head.anchors, CLASSES), LoopEma(detector)
    optimizer = torch.optim.SGD(detector.parameters(), lr=RATE, momentum=MOMENTUM, nesterov=True, foreach=False)

    def step() -> float:
        raws = dense_head(detector.features(images.float() / 255), detector.head.m, detector.head.num_anchors)
        total = loss(raws, rows)[0]
        total.backward()
        torch.nn.utils.clip_grad_norm_(detector.parameters(), CLIP_NORM, foreach=False)
        optimizer.step()
        optimizer.zero_grad()
        average.update(detector)
        return float(total.detach())

    return step


def main(words: list[str]) -> None:
    torch.set_num_threads(1)
    side, width, size, allocator = words[0], words[1], int(words[2]), words[3]
    if allocator == "tuned":
        keep_memory()
    step = textbook(width, size) if side == "textbook" else ours(width, size, half="full" not in words)
    for _ in sys.stdin:
        begin = time.process_time()
        loss = step()
        sys.stdout.write(f"{time.process_time() - begin} {loss}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
