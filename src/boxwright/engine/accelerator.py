# SPDX-License-Identifier: Apache-2.0
"""The device a run trains on.

How batches get there, in which precision they are computed, how a step is taken, and when to look.

What differs between a CPU and a GPU in training is decided here; what a device can be asked is in `system/device.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from boxwright.engine.step_exchange import StepExchange
from boxwright.model.detector import Detector
from boxwright.system.device import held_memory, is_cpu, release_memory
from boxwright.system.distributed.world import World
from boxwright.system.precision import Precision
from boxwright.system.transfer import PixelBuffer

if TYPE_CHECKING:
    import contextlib

LOG_EVERY = 10  # batches between readings of a device that runs behind the host


class Accelerator:
    """One device and its precision."""

    def __init__(self, precision: Precision, exchange: StepExchange | None = None) -> None:
        self.precision = precision
        self.exchange = exchange or StepExchange(World())
        self.device = precision.device
        self.runs_behind = not is_cpu(self.device)  # the host hands out work and learns of results only when it waits
        self._pixels = PixelBuffer(self.device)

    # -- transfer

    def pixels(self, images: torch.Tensor) -> torch.Tensor:
        """Images (B, C, H, W) of whole numbers -> float32 in 0..1 on the device, valid until the next call."""
        return self._pixels.of(images)

    def send(self, tensor: torch.Tensor) -> torch.Tensor:
        """Any other tensor on the device."""
        return tensor.to(self.device, non_blocking=True)

    # -- computation

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context of forward pass and loss."""
        return self.precision.autocast()

    def backward(self, total: torch.Tensor) -> None:
        """Add the gradients of a loss to those that wait."""
        self.precision.backward(total)

    def step(self, optimizer: torch.optim.Optimizer, max_norm: float) -> torch.Tensor:
        """Add up the gradients of all processes, unscale, clip to `max_norm` (0 = never), step, clear.

        No step is made where something is not finite. Whether all was finite, on the device.
        """
        scaler = self.precision.scaler
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.exchange.sum_gradients(parameters)
        scaler.unscale_(optimizer)
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None], foreach=True)
        finite = torch.isfinite(norm)
        if max_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(parameters, max_norm, norm, foreach=True)
        if scaler.is_enabled():
            scaler.step(optimizer)
            scaler.update()
        elif self.runs_behind and optimizer.defaults.get("fused"):
            optimizer.found_inf = (~finite).float()  # type: ignore[attr-defined]  # read by fused steps, so that the host need not wait
            optimizer.step()
        elif bool(finite):
            optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return finite

    # -- looking

    def reads_after(self, batch: int, batches: int) -> bool:
        """Whether the host looks at the device after this many batches of an epoch; at the last one it always does."""
        return not self.runs_behind or batch >= batches or batch % LOG_EVERY == 0

    def held_memory(self) -> int:
        """Bytes of device memory that are held; 0 where that cannot be asked."""
        return held_memory(self.device)

    def release_memory(self) -> None:
        """Give back what is held for reuse."""
        release_memory(self.device)


def place(detector: Detector, device: torch.device) -> Detector:
    """The network on a device, features of one cell side by side in memory: what every kernel here is fastest with."""
    placed: Detector = detector.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # known to the framework
    return placed
