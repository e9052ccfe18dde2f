# SPDX-License-Identifier: Apache-2.0
"""`boxwright model`: the packaged networks, one network in numbers, and whether a description is sound."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from boxwright.config import packaged
from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ModelVerbSettings, NoSettings
from boxwright.documents import read_yaml
from boxwright.model.spec import ModelSpec, read_spec
from boxwright.model.summary import Summary, summarize
from boxwright.structures.answer import Answer, table


def listed(resolved: Resolved[NoSettings]) -> Answer:
    """The packaged networks."""
    del resolved
    summaries = [summarize(read_spec(read_yaml(packaged.locate("models", name, "model")))) for name in packaged.names("models")]
    rows = [(s.name, len(s.rows), s.layers, f"{s.parameters / 1e6:.2f}", f"{s.gflops:.1f}", " ".join(map(str, s.strides))) for s in summaries]
    document = [{"name": s.name, "rows": len(s.rows), "layers": s.layers, "parameters": s.parameters, "gflops": s.gflops} for s in summaries]
    return Answer(table(rows, ("model", "rows", "layers", "M parameters", "GFLOPs at 640", "strides")), {"models": document})


def info(resolved: Resolved[ModelVerbSettings]) -> Answer:
    """One network, row by row."""
    spec = _spec(resolved)
    summary = summarize(spec, resolved.settings.imgsz)
    header = ("row", "from", "n", "module", "arguments", "parameters", "channels", "map")
    rows = [(r.index, _from(r.source), r.repeats, r.block, _arguments(r.arguments), r.parameters, r.channels, _map(r.out_hw)) for r in summary.rows]
    return Answer(f"{table(rows, header)}\n{_totals(summary)}", _document(summary), spec.notes)


def check(resolved: Resolved[ModelVerbSettings]) -> Answer:
    """Build a network on shapes alone; faults are raised with file, row and word."""
    spec = _spec(resolved)
    summary = summarize(spec, resolved.settings.imgsz)
    return Answer(f"{spec.name}: sound. {_totals(summary)}", {"sound": True, **_document(summary)}, spec.notes)


def _spec(resolved: Resolved[ModelVerbSettings]) -> ModelSpec:
    settings = resolved.settings
    document = read_yaml(packaged.locate("models", settings.model, "model"))
    return read_spec(document, num_classes=settings.nc, in_channels=settings.ch)


def _document(summary: Summary) -> dict[str, Any]:
    document = asdict(summary)
    document["anchors"] = document.pop("anchors_px")
    return document


def _totals(s: Summary) -> str:
    strides = ", ".join(map(str, s.strides))
    return f"{s.layers} layers, {s.parameters:,} parameters, {s.gflops:.1f} GFLOPs at {s.image_size}, strides {strides}, {s.num_classes} classes"


def _from(source: int | tuple[int, ...]) -> str:
    return str(source) if isinstance(source, int) else ",".join(map(str, source))


def _arguments(arguments: tuple[Any, ...]) -> str:
    shown = ["anchors" if isinstance(a, tuple) and a and isinstance(a[0], tuple) else str(a) for a in arguments]
    return ", ".join(shown)


def _map(size: tuple[int, int] | None) -> str:
    return "" if size is None else f"{size[0]}x{size[1]}"
