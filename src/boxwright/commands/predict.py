# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict`: detections on images, drawn and written."""

from __future__ import annotations

import sys

from boxwright.config.load import Resolved
from boxwright.config.schema.val import PredictSettings
from boxwright.runs.prediction.predict import predict
from boxwright.structures.answer import Answer


def run(resolved: Resolved[PredictSettings]) -> Answer:
    """Predict on every image of the sources; those that cannot be read are named and the others go on."""
    found = predict(resolved.settings, sys.stdin)
    missing = f", {len(found.left_out)} left out" if found.left_out else ""
    summary = f"{len(found.records)} images, {found.seconds * 1e3 / len(found.records):.1f} ms each{missing}"
    lines = [*found.lines, summary, *([f"results in {found.folder}"] if found.folder else [])]
    folder = str(found.folder) if found.folder else None
    return Answer(lines, {"images": found.records, "left_out": found.left_out, "folder": folder}, tuple(found.notes))
