# SPDX-License-Identifier: Apache-2.0
"""A network in numbers: parameters, layers and work, counted on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from boxwright.model.blocks.conv import Conv
from boxwright.model.detector import Detector, shape_only
from boxwright.model.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class RowSummary:
    """One row: where from, what, with how many parameters, and the map that comes out at the stated size."""

    index: int
    source: int | tuple[int, ...]
    repeats: int
    block: str
    arguments: tuple[Any, ...]
    parameters: int
    channels: int
    out_hw: tuple[int, int] | None
    tag: str


@dataclass(frozen=True)
class Summary:
    """A network in numbers. `layers` counts modules without parts, each once; `gflops` is two operations per product and sum."""

    name: str
    num_classes: int
    layers: int
    parameters: int
    gflops: float
    image_size: int
    strides: tuple[int, ...]
    anchors_px: tuple[tuple[tuple[float, float], ...], ...]
    rows: tuple[RowSummary, ...]


def summarize(spec: ModelSpec, image_size: int = 640) -> Summary:
    """Count a network without allocating it."""
    detector = shape_only(spec).eval()
    sizes: dict[int, tuple[int, int]] = {}
    hooks = [module.register_forward_hook(_noting(sizes, index)) for index, module in enumerate(detector.model)]
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        detector(torch.empty(1, spec.in_channels, image_size, image_size))
    for hook in hooks:
        hook.remove()
    rows = tuple(
        RowSummary(r.index, r.raw_from, r.sequence * r.inner, r.block, r.arguments, parameters_of(m), r.out_channels, sizes.get(r.index), r.tag)
        for r, m in zip(spec.rows, detector.model, strict=True)
    )
    return Summary(
        name=spec.name,
        num_classes=spec.num_classes,
        layers=layers_of(detector),
        parameters=parameters_of(detector),
        gflops=counter.get_total_flops() / 1e9,
        image_size=image_size,
        strides=detector.strides,
        anchors_px=spec.anchors_px,
        rows=rows,
    )


def _noting(sizes: dict[int, tuple[int, int]], index: int) -> Any:
    def note(_module: nn.Module, _inputs: Any, output: Any) -> None:
        if isinstance(output, torch.Tensor):
            sizes[index] = (output.shape[-2], output.shape[-1])

    return note


def parameters_of(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def layers_of(network: nn.Module) -> int:
    """Modules without parts; one that is used in many places counts once."""
    return sum(1 for module in network.modules() if not any(True for _ in module.children()))


def num_fused(detector: Detector) -> int:
    """Batch normalisations that folding would remove."""
    return sum(isinstance(module, Conv) and module.bn is not None for module in detector.modules())
