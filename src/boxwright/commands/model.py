# SPDX-License-Identifier: Apache-2.0
"""`boxwright model list`, `info` and `check`.

The packaged networks, one network in numbers, and whether a description is sound.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch

from boxwright.config import packaged
from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ModelInfoSettings, ModelVerbSettings, NoSettings
from boxwright.documents import read_yaml
from boxwright.errors import SettingError
from boxwright.model.detector import build
from boxwright.model.memory import ActivationMemory, activation_memory
from boxwright.model.spec import ModelSpec, read_spec
from boxwright.model.summary import RowSummary, Summary, outline, summarize
from boxwright.model.timing import time_rows
from boxwright.structures.answer import Answer, table
from boxwright.system.device import choose_device, configured_process, describe, free_memory_bytes, is_cpu

MIB = 1 << 20


def listed(resolved: Resolved[NoSettings]) -> Answer:
    """The packaged networks."""
    del resolved
    outlines = [
        outline(read_spec(read_yaml(packaged.locate("models", name, "model")))) for name in packaged.names("models")
    ]
    rows = [
        (o.name, o.rows, o.layers, f"{o.parameters / 1e6:.2f}", f"{o.gflops:.1f}", " ".join(map(str, o.strides)))
        for o in outlines
    ]
    return Answer(
        table(rows, ("model", "rows", "layers", "M parameters", "GFLOPs at 640", "strides")),
        {"models": [asdict(o) for o in outlines]},
    )


def info(resolved: Resolved[ModelInfoSettings]) -> Answer:
    """One network, row by row."""
    settings = resolved.settings
    spec = spec_of(settings)
    summary = summarize(spec, settings.imgsz)
    memory = activation_memory(spec, settings.batch_size, summary.image_size)
    document = _document(summary) | {"batch": settings.batch_size, "activation_memory_bytes": asdict(memory)}
    lines = [_totals(summary), _memory(memory, settings.batch_size)]
    header: tuple[str, ...] = _HEADER
    columns = [_cells(row) for row in summary.rows]
    if settings.profile:
        device, times_ms = _profiled(spec, settings, summary.image_size, memory)
        header = (*header, "ms")
        columns = [(*cells, f"{ms:.3f}") for cells, ms in zip(columns, times_ms, strict=True)]
        document["rows"] = [{**row, "ms": ms} for row, ms in zip(document["rows"], times_ms, strict=True)]
        document |= {"device": device, "ms": sum(times_ms)}
        lines.append(f"{sum(times_ms):.2f} ms per batch of {settings.batch_size} on {device}, rows timed one by one")
    return Answer([*table(columns, header), *lines], document, notes_of(spec, settings, summary))


def check(resolved: Resolved[ModelVerbSettings]) -> Answer:
    """Build a network on shapes alone; faults are raised with file, row and word."""
    spec = spec_of(resolved.settings)
    summary = summarize(spec, resolved.settings.imgsz)
    return Answer(
        [f"{spec.name}: sound. {_totals(summary)}"],
        {"sound": True, **_document(summary)},
        notes_of(spec, resolved.settings, summary),
    )


def spec_of(settings: ModelVerbSettings) -> ModelSpec:
    """The network that a verb is asked about."""
    document = read_yaml(packaged.locate("models", settings.model, "model"))
    return read_spec(document, num_classes=settings.nc, in_channels=settings.ch)


def notes_of(spec: ModelSpec, settings: ModelVerbSettings, summary: Summary) -> tuple[str, ...]:
    """What people should know beside the answer."""
    if summary.image_size == settings.imgsz:
        return spec.notes
    return (
        *spec.notes,
        (
            f"imgsz {settings.imgsz} is no multiple of the largest stride, {max(summary.strides)}; counted at "
            f"{summary.image_size}"
        ),
    )


def _profiled(
    spec: ModelSpec, settings: ModelInfoSettings, image_size: int, memory: ActivationMemory
) -> tuple[str, list[float]]:
    """The device in words, and milliseconds of every row.

    Raises SettingError when the batch does not fit into memory.
    """
    device = choose_device(settings.device)
    too_much = SettingError(
        "--profile",
        f"a batch of {settings.batch_size} at {image_size} needs more memory than is free",
        "Reduce --batch or --imgsz",
    )
    if is_cpu(device) and memory.inference > free_memory_bytes():
        raise too_much
    try:
        with configured_process(device, settings.threads):
            detector = build(spec).eval().to(device)
            images = torch.full((settings.batch_size, spec.in_channels, image_size, image_size), 0.5, device=device)
            return describe(device), time_rows(detector, images)
    except torch.OutOfMemoryError:
        raise too_much from None


_HEADER = ("row", "from", "n", "module", "arguments", "parameters", "GFLOPs", "channels", "map", "stride", "sees px")


def _cells(r: RowSummary) -> tuple[object, ...]:
    name = f"{r.block} ({r.tag})" if r.tag else r.block
    stride = "" if r.stride is None else f"{r.stride:g}" if r.stride == round(r.stride, 2) else f"{r.stride:.2f}"
    sees = "all" if r.receptive_px is None else r.receptive_px
    return (
        r.index,
        _from(r.source),
        r.repeats,
        name,
        _arguments(r.arguments),
        r.parameters,
        f"{r.gflops:.3f}",
        r.channels,
        _map(r.out_hw),
        stride,
        sees,
    )


def _document(summary: Summary) -> dict[str, Any]:
    document = asdict(summary)
    document["anchors"] = document.pop("anchors_px")
    return document


def _totals(s: Summary) -> str:
    strides = ", ".join(map(str, s.strides))
    return (
        f"{s.layers} layers, {s.parameters:,} parameters, {s.gflops:.1f} GFLOPs at {s.image_size}, "
        "strides "
        f"{strides}, {s.num_classes} classes"
    )


def _memory(memory: ActivationMemory, batch_size: int) -> str:
    what = f"activations of a batch of {batch_size} in float32"
    return (
        f"{what}: {memory.training / MIB:,.0f} MiB kept for training, {memory.inference / MIB:,.0f} MiB at the "
        "peak "
        "of inference"
    )


def _from(source: int | tuple[int, ...]) -> str:
    return str(source) if isinstance(source, int) else ",".join(map(str, source))


def _arguments(arguments: tuple[Any, ...]) -> str:
    shown = ["anchors" if isinstance(a, tuple) and a and isinstance(a[0], tuple) else str(a) for a in arguments]
    return ", ".join(shown)


def _map(size: tuple[int, int] | None) -> str:
    return "" if size is None else f"{size[0]}x{size[1]}"
