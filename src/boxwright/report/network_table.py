# SPDX-License-Identifier: Apache-2.0
"""A network in numbers, as a document and as lines for people: a table of its rows, and its totals."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from boxwright.model.memory import ActivationMemory
from boxwright.model.summary import RowSummary, Summary
from boxwright.structures.answer import table

if TYPE_CHECKING:
    from collections.abc import Sequence

MIB = 1 << 20
HEADER = ("row", "from", "n", "module", "arguments", "parameters", "GFLOPs", "channels", "map", "stride", "sees px")


def row_lines(summary: Summary, times_ms: Sequence[float] = ()) -> list[str]:
    """One line per row of the network, with the time of each where it was measured."""
    rows = [_cells(row) for row in summary.rows]
    if not times_ms:
        return table(rows, HEADER)
    timed = [(*cells, f"{ms:.3f}") for cells, ms in zip(rows, times_ms, strict=True)]
    return table(timed, (*HEADER, "ms"))


def document_of(summary: Summary) -> dict[str, Any]:
    """The same as one document."""
    document = asdict(summary)
    document["anchors"] = document.pop("anchors_px")
    return document


def totals_line(summary: Summary) -> str:
    """Layers, parameters, work, strides and classes."""
    return (
        f"{summary.layers} layers, {summary.parameters:,} parameters, {summary.gflops:.1f} GFLOPs at "
        f"{summary.image_size}, strides {', '.join(map(str, summary.strides))}, {summary.num_classes} classes"
    )


def memory_line(memory: ActivationMemory, batch_size: int) -> str:
    """What the activations of a batch take, in training and in inference."""
    return (
        f"activations of a batch of {batch_size} in float32: {memory.training / MIB:,.0f} MiB kept for training, "
        f"{memory.inference / MIB:,.0f} MiB at the peak of inference"
    )


def _cells(row: RowSummary) -> tuple[object, ...]:
    return (
        row.index,
        str(row.source) if isinstance(row.source, int) else ",".join(map(str, row.source)),
        row.repeats,
        f"{row.block} ({row.tag})" if row.tag else row.block,
        _arguments(row.arguments),
        row.parameters,
        f"{row.gflops:.3f}",
        row.channels,
        "" if row.out_hw is None else f"{row.out_hw[0]}x{row.out_hw[1]}",
        _stride(row.stride),
        "all" if row.receptive_px is None else row.receptive_px,
    )


def _arguments(arguments: tuple[Any, ...]) -> str:
    shown = ["anchors" if isinstance(a, tuple) and a and isinstance(a[0], tuple) else str(a) for a in arguments]
    return ", ".join(shown)


def _stride(stride: float | None) -> str:
    if stride is None:
        return ""
    return f"{stride:g}" if stride == round(stride, 2) else f"{stride:.2f}"
