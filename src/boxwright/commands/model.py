# SPDX-License-Identifier: Apache-2.0
"""`boxwright model list`, `info` and `check`.

The packaged networks, one network in numbers, and whether a description is sound.
"""

from __future__ import annotations

from dataclasses import asdict

from boxwright.config import packaged
from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ModelInfoSettings, ModelVerbSettings, NoSettings
from boxwright.documents import read_yaml
from boxwright.model.memory import activation_memory
from boxwright.model.spec import read_spec
from boxwright.model.summary import outline
from boxwright.model.timing import time_network
from boxwright.report.network_table import document_of, memory_line, row_lines, totals_line
from boxwright.runs.inputs.described_network import described
from boxwright.structures.answer import Answer, table
from boxwright.system.device import choose_device, describe, prepare_process


def listed(resolved: Resolved[NoSettings]) -> Answer:
    """The packaged networks."""
    del resolved
    names = packaged.names("models")
    outlines = [outline(read_spec(read_yaml(packaged.locate("models", name, "model")))) for name in names]
    rows = [
        (o.name, o.rows, o.layers, f"{o.parameters / 1e6:.2f}", f"{o.gflops:.1f}", " ".join(map(str, o.strides)))
        for o in outlines
    ]
    header = ("model", "rows", "layers", "M parameters", "GFLOPs at 640", "strides")
    return Answer(table(rows, header), {"models": [asdict(o) for o in outlines]})


def info(resolved: Resolved[ModelInfoSettings]) -> Answer:
    """One network, row by row."""
    settings = resolved.settings
    spec, summary, notes = described(settings)
    batch, size = settings.batch_size, summary.image_size
    memory = activation_memory(spec, batch, size)
    document = document_of(summary) | {"batch": batch, "activation_memory_bytes": asdict(memory)}
    lines = [totals_line(summary), memory_line(memory, batch)]
    times_ms: list[float] = []
    if settings.profile:
        device = choose_device(settings.device)
        prepare_process(device, settings.threads)
        times_ms = time_network(spec, batch, size, device=device, needed_bytes=memory.inference)
        rows = [{**row, "ms": ms} for row, ms in zip(document["rows"], times_ms, strict=True)]
        document |= {"rows": rows, "device": describe(device), "ms": sum(times_ms)}
        lines.append(f"{sum(times_ms):.2f} ms per batch of {batch} on {describe(device)}, rows timed one by one")
    return Answer([*row_lines(summary, times_ms), *lines], document, notes)


def check(resolved: Resolved[ModelVerbSettings]) -> Answer:
    """Build a network on shapes alone; faults are raised with file, row and word."""
    spec, summary, notes = described(resolved.settings)
    return Answer([f"{spec.name}: sound. {totals_line(summary)}"], {"sound": True, **document_of(summary)}, notes)
