# SPDX-License-Identifier: Apache-2.0
"""The self-test of a precision: one forward and backward pass of a copy of the network on a fixed picture.

No file, no network.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from boxwright.keyed import Purpose, generator
from boxwright.loss.detection import DetectionLoss
from boxwright.model.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Callable

TEST_CELLS = 4  # sides of the test picture in units of the grid


def answers_of(detector: Detector, loss: DetectionLoss, grid: int) -> Callable[..., torch.Tensor]:
    """A function that runs a copy of the network in a precision.

    What it said, flattened, and last the norm of its gradient.
    """
    device = next(detector.parameters()).device
    draw = generator(0, Purpose.WEIGHTS, -1)
    side = TEST_CELLS * grid
    images = torch.from_numpy(draw.random((2, detector.spec.in_channels, side, side), "float32")).to(device)
    targets = torch.tensor([[0, 0, 0.5, 0.5, 0.3, 0.3], [1, 0, 0.3, 0.6, 0.2, 0.5]], device=device)

    def run(precision: object) -> torch.Tensor:
        trial = copy.deepcopy(detector).train()
        with precision.autocast():  # type: ignore[attr-defined]  # a Precision
            maps = trial(images.contiguous(memory_format=torch.channels_last))
            total = copy.copy(loss)(maps, targets).total  # a copy: an automatic balance would move
        total.backward()  # type: ignore[no-untyped-call]  # untyped in the framework
        said = [feature.detach().float().flatten() for feature in maps.features]
        norm = torch.nn.utils.get_total_norm([p.grad for p in trial.parameters() if p.grad is not None])
        return torch.cat((*said, norm.detach().float().view(1)))

    return run
