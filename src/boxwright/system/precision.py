# SPDX-License-Identifier: Apache-2.0
"""Precision: autocast and gradient scaling, chosen for a device and proved on it before the first step."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Literal

import torch

from boxwright.system.device import is_cpu, is_cuda

if TYPE_CHECKING:
    from collections.abc import Callable

Name = Literal["fp32", "bf16", "fp16"]

_TYPES: dict[Name, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
# Correlation of what a fresh network says in full and in mixed precision. Batch statistics of an untrained network
# amplify rounding: sound devices reach 0.85 to 0.99 here, a device that computes nonsense is near 0.
MIN_AGREEMENT = 0.7

# The gradient scaler's constants: start, growth after this many good steps, backoff after a bad one.
SCALE_START, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL = 65536.0, 2.0, 0.5, 2000


class Precision:
    """How numbers are held in the forward pass, and the scale that keeps small fp16 gradients above zero."""

    def __init__(self, name: Name, device: torch.device) -> None:
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(
            device.type, SCALE_START, SCALE_GROWTH, SCALE_BACKOFF, SCALE_INTERVAL, enabled=name == "fp16"
        )

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context of forward pass and loss."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=_TYPES[self.name])

    def backward(self, loss: torch.Tensor) -> None:
        """Add gradients of this loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # untyped in the framework

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"name": self.name, "scaler": self.scaler.state_dict()}

    def restore(self, stored: dict[str, Any]) -> None:
        """Take over a scale."""
        if stored.get("scaler") and self.scaler.is_enabled():
            self.scaler.load_state_dict(stored["scaler"])


def candidates(asked: str, device: torch.device, *, on_cpu: bool) -> list[Name]:
    """Precisions to try, best first; full precision always ends the list."""
    if asked in {"off", "fp32"}:
        return ["fp32"]
    if asked == "bf16":
        return ["bf16", "fp32"]
    if asked == "fp16":
        return ["fp16", "fp32"] if is_cuda(device) else ["fp32"]
    if is_cuda(device):
        return ["bf16", "fp32"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["fp16", "fp32"]
    return ["bf16", "fp32"] if is_cpu(device) and on_cpu and cpu_has_bf16() else ["fp32"]


def cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 itself; emulated, it would be slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())  # noqa: SLF001 -- there is no public question


def half_of(device: torch.device) -> tuple[Name, str]:
    """The half precision in which a device uses a network, and a note when it has none."""
    if not is_cpu(device):
        return "fp16", ""
    return ("bf16", "") if cpu_has_bf16() else ("fp32", "this processor has no half precision; float32 is used")


def choose(
    names: list[Name], device: torch.device, answers: Callable[[Precision], torch.Tensor]
) -> tuple[Precision, str]:
    """The first precision whose answers agree with full precision's, and a note when one had to be passed over.

    `answers` runs a forward and backward pass of the network and returns what it said, flattened, with the gradient's
    norm last.
    """
    full = answers(Precision("fp32", device))
    for name in names[:-1]:
        precision = Precision(name, device)
        reason = _disagreement(full, answers(precision))
        if not reason:
            return precision, ""
        return Precision(
            "fp32", device
        ), f"mixed precision {name} failed its self-test on this device ({reason}); training in float32"
    return Precision("fp32", device), ""


def not_offered(asked: str, chosen: Precision) -> str:
    """A note for those who asked for a precision that was not even tried on this device, or ''."""
    if asked not in {"bf16", "fp16"} or chosen.name == asked:
        return ""
    return (
        f"mixed precision {asked} is not offered on {chosen.device.type}; training "
        "in "
        f"{'float32' if chosen.name == 'fp32' else chosen.name}"
    )


def _disagreement(full: torch.Tensor, mixed: torch.Tensor) -> str:
    """In words what differs too much, or ''."""
    if not bool(torch.isfinite(mixed).all()):
        return "its answers or gradients are not finite"
    agreement = float(torch.corrcoef(torch.stack((full[:-1], mixed[:-1])))[0, 1])
    if not agreement >= MIN_AGREEMENT:
        return f"its answers agree with float32 to {agreement:.2f} only"
    ratio = float(mixed[-1] / full[-1].clamp(min=1e-12))
    return "" if 0.5 < ratio < 2 else (f"its gradients are {ratio:.2f} times as large")  # noqa: PLR2004 -- a factor of two either way
