# SPDX-License-Identifier: Apache-2.0
"""The moving average of weights, one update, against a loop over tensors."""

from __future__ import annotations

import torch

from benchmarks.measure import Result, against
from boxwright.engine.ema import Ema
from tests.oracles.loop_ema import LoopEma
from tests.support.networks import network

UPDATES = 20


def run() -> list[Result]:
    detector = network("yolov5n")
    mine, textbook = Ema(detector), LoopEma(detector)
    with torch.no_grad():
        for parameter in detector.parameters():
            parameter.add_(0.01)
    for _ in range(UPDATES):
        mine.update(detector)
        textbook.update(detector)
    for key, value in mine.network.state_dict().items():
        assert torch.allclose(value, textbook.network.state_dict()[key], atol=1e-6), key

    def repeat(average: Ema | LoopEma):
        return lambda: [average.update(detector) for _ in range(UPDATES)]

    return [against("moving average, n, one update x 20", repeat(mine), repeat(textbook), goal=5.0)]
