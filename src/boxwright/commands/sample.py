# SPDX-License-Identifier: Apache-2.0
"""`boxwright data sample`: the drawn sample set, written where you want it or, on first use, to the cache."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import SampleSettings
from boxwright.data.drawn.sample_set import NAMES, SPLITS
from boxwright.runs.inputs.sample_set import sample_yaml
from boxwright.structures.answer import Answer


def run(resolved: Resolved[SampleSettings]) -> Answer:
    """Draw the set into a folder, or into the cache."""
    settings = resolved.settings
    yaml = sample_yaml(Path(settings.out) if settings.out else None, seed=settings.seed)
    counts = ", ".join(f"{count} {split}" for split, count in SPLITS.items())
    lines = [
        str(yaml),
        f"{counts} pictures, classes {', '.join(NAMES)}",
        f"Train on it: boxwright train --data {yaml} --cfg yolov5n --imgsz 320",
    ]
    return Answer(lines, {"yaml": str(yaml), "images": SPLITS, "names": NAMES})
