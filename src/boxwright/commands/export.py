# SPDX-License-Identifier: Apache-2.0
"""`boxwright export`: a network for other programs, and how each file compares with it."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.export import ExportSettings
from boxwright.runs.exporting.export import ExportedFile, export
from boxwright.structures.answer import Answer, table


def run(resolved: Resolved[ExportSettings]) -> Answer:
    """Write, read back, run and compare."""
    exports = export(resolved.settings)
    rows = [
        (
            file.path,
            f"{file.size / 1e6:.1f} MB",
            "-" if file.compared.distance is None else f"{file.compared.distance:.2g}",
            file.compared.detections,
        )
        for file in exports.files
    ]
    unseen = [
        f"{file.path}: the network detects nothing on the {exports.compared_on} at this confidence, so no detection "
        "was compared"
        for file in exports.files
        if not file.compared.detections
    ]
    lines = table(rows, ("file", "size", "largest difference", "equal detections"))
    return Answer(
        [*lines, f"compared with the network on {exports.compared_on}: equal"],
        {"files": [_document(file) for file in exports.files], "compared_on": exports.compared_on},
        (*exports.notes, *unseen),
    )


def _document(file: ExportedFile) -> dict[str, object]:
    return {
        "format": file.format,
        "file": str(file.path),
        "bytes": file.size,
        "difference": file.compared.distance,
        "detections": file.compared.detections,
        "images": file.compared.images,
    }
