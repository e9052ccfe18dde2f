# SPDX-License-Identifier: Apache-2.0
"""`boxwright data preview`.

The very samples that a training with these settings draws, with boxes and the recipe of each.
"""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import PreviewSettings
from boxwright.runs.preview import write_preview
from boxwright.structures.answer import Answer


def run(resolved: Resolved[PreviewSettings]) -> Answer:
    """Draw samples and say how they were made."""
    folder, records, notes = write_preview(resolved)
    lines = [f"{record['file']}: {record['source']}, {len(record['labels'])} objects" for record in records]
    document = {"folder": str(folder), "samples": records}
    return Answer([*lines, f"{len(records)} samples in {folder}"], document, notes)
