# SPDX-License-Identifier: Apache-2.0
"""The network that `boxwright model ...` is asked about, read and counted without its weights."""

from __future__ import annotations

from typing import NamedTuple

from boxwright.config import packaged
from boxwright.config.schema.verbs import ModelVerbSettings
from boxwright.documents import read_yaml
from boxwright.model.spec import ModelSpec, read_spec
from boxwright.model.summary import Summary, summarize


class Described(NamedTuple):
    """A network, its numbers, and what people should know beside them."""

    spec: ModelSpec
    summary: Summary
    notes: tuple[str, ...]


def described(settings: ModelVerbSettings) -> Described:
    """Read and count it. Raises ModelError with file, row and word."""
    document = read_yaml(packaged.locate("models", settings.model, "model"))
    spec = read_spec(document, num_classes=settings.nc, in_channels=settings.ch)
    summary = summarize(spec, settings.imgsz)
    if summary.image_size == settings.imgsz:
        return Described(spec, summary, spec.notes)
    note = (
        f"imgsz {settings.imgsz} is no multiple of the largest stride, {max(summary.strides)}; counted at "
        f"{summary.image_size}"
    )
    return Described(spec, summary, (*spec.notes, note))
