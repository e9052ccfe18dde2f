# SPDX-License-Identifier: Apache-2.0
"""How much a network does for one image, row by row, counted on shapes.

Operations, numbers normalised, the map that comes out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from boxwright.model.detector import Detector

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Work:
    """Of one row. `operations`: two per product and sum of convolutions and linear maps.

    `normed`: numbers that batch normalisations put out.
    """

    operations: int = 0
    normed: int = 0
    out_hw: tuple[int, int] | None = None  # None for the head, which has a map per level


def count_work(detector: Detector, image_size: int) -> list[Work]:
    """The work of every row for one square image; the network may be one on shapes alone."""
    rows = [Work() for _ in detector.model]
    hooks = [module.register_forward_hook(_sizing(work)) for work, module in zip(rows, detector.model, strict=True)]
    for work, row in zip(rows, detector.model, strict=True):
        hooks += [
            module.register_forward_hook(_counting(work)) for module in row.modules() if isinstance(module, _COUNTED)
        ]
    training = detector.training
    with torch.no_grad():
        detector.eval()(
            torch.empty(1, detector.spec.in_channels, image_size, image_size, device=detector.head.anchors.device)
        )
    detector.train(training)
    for hook in hooks:
        hook.remove()
    return rows


_COUNTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.MultiheadAttention, nn.BatchNorm2d)


def _sizing(work: Work) -> Callable[..., None]:
    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            work.out_hw = output.shape[-2], output.shape[-1]

    return note


def _counting(work: Work) -> Callable[..., None]:
    def note(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: Any) -> None:
        match module:
            case nn.BatchNorm2d():
                work.normed += output.numel()
            case nn.Conv2d():
                work.operations += (
                    2 * output.numel() * module.in_channels // module.groups * math.prod(module.kernel_size)
                )
            case nn.ConvTranspose2d():
                work.operations += (
                    2 * inputs[0].numel() * module.out_channels // module.groups * math.prod(module.kernel_size)
                )
            case nn.Linear():
                work.operations += 2 * inputs[0].numel() * module.out_features
            case nn.MultiheadAttention():
                tokens, images, width = inputs[0].shape
                work.operations += (
                    2 * images * tokens * width * (4 * width + 2 * tokens)
                )  # four maps, scores, weighted sums

    return note
