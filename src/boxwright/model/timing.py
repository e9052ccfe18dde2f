# SPDX-License-Identifier: Apache-2.0
"""How long every row takes on a device: the median of several passes. It measures; nothing is decided by it."""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from boxwright.errors import SettingError
from boxwright.model.detector import Detector, build
from boxwright.model.spec import ModelSpec
from boxwright.system.device import free_memory_bytes, is_cpu, synchronize

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

WARM_UP = 2  # passes that choose kernels and fill caches
PASSES = 7


def time_network(
    spec: ModelSpec, batch_size: int, image_size: int, *, device: torch.device, needed_bytes: int
) -> list[float]:
    """Milliseconds of every row of a network with new weights, for a batch of grey squares.

    Raises SettingError when the batch, which needs `needed_bytes`, does not fit into memory.
    """
    too_much = SettingError(
        "--profile",
        f"a batch of {batch_size} at {image_size} needs more memory than is free",
        "Reduce --batch or --imgsz",
    )
    if is_cpu(device) and needed_bytes > free_memory_bytes():
        raise too_much
    try:
        detector = build(spec).eval().to(device)
        images = torch.full((batch_size, spec.in_channels, image_size, image_size), 0.5, device=device)
        return time_rows(detector, images)
    except torch.OutOfMemoryError:
        raise too_much from None


@torch.inference_mode()
def time_rows(detector: Detector, images: torch.Tensor, passes: int = PASSES) -> list[float]:
    """Milliseconds of every row, the head with its decoding, in evaluation mode."""
    wait: Callable[[], Any] = partial(synchronize, images.device)
    watches = [_Watch(wait) for _ in detector.model]
    hooks = []
    for watch, module in zip(watches, detector.model, strict=True):
        hooks += [module.register_forward_pre_hook(watch.start), module.register_forward_hook(watch.stop)]
    for _ in range(WARM_UP + passes):
        detector(images)
    for hook in hooks:
        hook.remove()
    return [1e3 * statistics.median(watch.seconds[WARM_UP:]) for watch in watches]


class _Watch:
    """The passes of one row."""

    def __init__(self, wait: Callable[[], Any]) -> None:
        self.wait = wait
        self.began = 0.0
        self.seconds: list[float] = []

    def start(self, _module: nn.Module, _inputs: Any) -> None:
        self.wait()
        self.began = time.perf_counter()

    def stop(self, _module: nn.Module, _inputs: Any, _output: Any) -> None:
        self.wait()
        self.seconds.append(time.perf_counter() - self.began)
