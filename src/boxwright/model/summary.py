# SPDX-License-Identifier: Apache-2.0
"""A network in numbers: parameters, layers and work, counted on shapes alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from boxwright.geometry.letterbox import rounded_up
from boxwright.model.blocks.conv import Conv
from boxwright.model.detector import Detector, shape_only
from boxwright.model.reach import plain, receptive_fields_px
from boxwright.model.spec import ModelSpec
from boxwright.model.work import count_work


@dataclass(frozen=True)
class RowSummary:
    """One row.

    Where from, what, with how many parameters and operations, and the map that comes out at the stated size.
    """

    index: int
    source: int | tuple[int, ...]
    repeats: int
    block: str
    arguments: tuple[Any, ...]
    parameters: int
    gflops: float
    channels: int
    out_hw: tuple[int, int] | None
    stride: float | None  # pixels per cell
    receptive_px: int | None  # None: the whole image
    tag: str


@dataclass(frozen=True)
class Summary:
    """A network in numbers.

    `layers` counts modules without parts, each once; `gflops` is two operations per product and sum.
    """

    name: str
    num_classes: int
    in_channels: int
    layers: int
    parameters: int
    gflops: float
    image_size: int
    strides: tuple[int, ...]
    anchors_px: tuple[tuple[tuple[float, float], ...], ...]
    rows: tuple[RowSummary, ...]


def summarize(spec: ModelSpec, image_size: int = 640) -> Summary:
    """Count a network without allocating it, at the first size from this one on that fits its grid."""
    detector = shape_only(spec)
    image_size = rounded_up(image_size, detector.grid)
    work = count_work(detector, image_size)
    fields = receptive_fields_px(spec)
    rows = tuple(
        RowSummary(
            index=row.index,
            source=row.raw_from,
            repeats=row.sequence * row.inner,
            block=row.block,
            arguments=row.arguments,
            parameters=parameters_of(module),
            gflops=done.operations / 1e9,
            channels=row.out_channels,
            out_hw=done.out_hw,
            stride=None if done.out_hw is None else image_size / done.out_hw[0],
            receptive_px=plain(field),
            tag=row.tag,
        )
        for row, module, done, field in zip(spec.rows, detector.model, work, fields, strict=True)
    )
    return Summary(
        name=spec.name,
        num_classes=spec.num_classes,
        in_channels=spec.in_channels,
        layers=layers_of(detector),
        parameters=parameters_of(detector),
        gflops=sum(row.gflops for row in rows),
        image_size=image_size,
        strides=detector.strides,
        anchors_px=spec.anchors_px,
        rows=rows,
    )


@dataclass(frozen=True)
class Outline:
    """The totals of a network at 640 pixels."""

    name: str
    rows: int
    layers: int
    parameters: int
    gflops: float
    strides: tuple[int, ...]


def outline(spec: ModelSpec, image_size: int = 640) -> Outline:
    """Only the totals of a network that is known to be sound: one pass instead of two."""
    with torch.device("meta"):
        detector = Detector(spec)
    layers, parameters = layers_of(detector), parameters_of(detector)
    for module in detector.modules():
        if isinstance(module, Conv):  # what comes after the convolution changes no shape, and takes most of the time
            module.bn, module.act = None, nn.Identity()
    work = count_work(detector, image_size)
    maps_hw = [work[source].out_hw for source in spec.rows[-1].sources]
    return Outline(
        name=spec.name,
        rows=len(spec.rows),
        layers=layers,
        parameters=parameters,
        gflops=sum(row.operations for row in work) / 1e9,
        strides=tuple(image_size // size_hw[0] for size_hw in maps_hw if size_hw is not None),
    )


def parameters_of(network: nn.Module) -> int:
    """Trainable numbers."""
    return sum(parameter.numel() for parameter in network.parameters())


def layers_of(network: nn.Module) -> int:
    """Modules without parts; one that is used in many places counts once."""
    return sum(1 for module in network.modules() if not any(True for _ in module.children()))


def num_fused(detector: Detector) -> int:
    """Batch normalisations that folding would remove."""
    return sum(isinstance(module, Conv) and module.bn is not None for module in detector.modules())
