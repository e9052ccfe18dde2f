# SPDX-License-Identifier: Apache-2.0
"""`boxwright data split`.

List files for training, validation and test, classes in equal shares, groups kept together.
"""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import SplitSettings
from boxwright.runs.datasets.split import split
from boxwright.structures.answer import Answer, table


def run(resolved: Resolved[SplitSettings]) -> Answer:
    """Divide, write lists, say what each part got."""
    divided = split(resolved.settings)
    rows = [(part.name, part.images, sum(part.counts), *part.counts) for part in divided.parts]
    document = {
        part.name: {"images": part.images, "classes": dict(zip(divided.names, part.counts, strict=True))}
        for part in divided.parts
    }
    lines = table(rows, ("part", "images", "objects", *divided.names))
    return Answer([*lines, str(divided.yaml)], {"yaml": str(divided.yaml), "parts": document}, divided.notes)
