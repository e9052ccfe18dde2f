# SPDX-License-Identifier: Apache-2.0
"""`boxwright predict`: detections on images, drawn and written."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.val import PredictSettings
from boxwright.runs.prediction.predict import predict
from boxwright.runs.prediction.watch import count_line
from boxwright.structures.answer import Answer, counted
from boxwright.system.terminal import say

if TYPE_CHECKING:
    from collections.abc import Callable


def run(resolved: Resolved[PredictSettings], tell: Callable[[str], None] = say) -> Answer:
    """Predict on every picture of the sources; those that cannot be read are named and the others go on."""
    found = predict(resolved.settings, sys.stdin, tell)
    missing = f", {len(found.left_out)} left out" if found.left_out else ""
    summary = f"{counted(found.pictures, 'image')}, {found.seconds * 1e3 / found.pictures:.1f} ms each{missing}"
    of_streams = [count_line(path, one) for path, one in found.streams.items()]
    lines = [*found.lines, *of_streams, summary, *([f"results in {found.folder}"] if found.folder else [])]
    document = {
        "images": found.records,
        "left_out": found.left_out,
        "folder": str(found.folder) if found.folder else None,
    }
    if found.streams:
        document["streams"] = [{"path": path, **asdict(one)} for path, one in found.streams.items()]
    return Answer(lines, document, tuple(found.notes))
