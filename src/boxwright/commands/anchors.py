# SPDX-License-Identifier: Apache-2.0
"""`boxwright anchors`: how well anchors fit the boxes of a data set, and which would fit better."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import AnchorsSettings
from boxwright.geometry.anchors import AnchorFit, fit, fitted
from boxwright.keyed import Purpose, generator
from boxwright.model.detector import build
from boxwright.runs.anchors import anchors_px, jittered_sizes
from boxwright.runs.inputs.open_data import open_data
from boxwright.runs.inputs.open_weights import fitting_size, grid_of, single_size, spec_of_cfg
from boxwright.structures.answer import Answer, table

if TYPE_CHECKING:
    import numpy as np


def run(resolved: Resolved[AnchorsSettings]) -> Answer:
    """The network's anchors and fitted ones, measured on the training boxes."""
    settings = resolved.settings
    data = open_data(settings.data, ("train",))
    detector = build(
        spec_of_cfg(settings.cfg, num_classes=data.num_classes, anchors_per_level=settings.anchors or None)
    )
    size, note = fitting_size(single_size(settings.imgsz)[0], grid_of(detector))
    sizes = jittered_sizes(data.splits["train"], size, settings.seed)
    mine = anchors_px(detector)
    better = fitted(
        sizes, len(mine), settings.anchor_t, generator(settings.seed, Purpose.ANCHORS, -1), settings.generations
    )
    now, then = fit(sizes, mine, settings.anchor_t), fit(sizes, better, settings.anchor_t)
    levels = len(detector.strides)
    rows = [("network", *_numbers(now)), ("fitted", *_numbers(then))]
    yaml = [
        "anchors:",
        *(f"  - [{', '.join(f'{side:.4g}' for side in level)}]" for level in better.reshape(levels, -1)),
    ]
    lines = [
        *table(rows, ("anchors", "BPR", "per box", "fitness")),
        "",
        f"fitted at {size} pixels, for a model YAML:",
        *yaml,
    ]
    document = {"imgsz": size, "boxes": len(sizes), "network": _document(mine, now), "fitted": _document(better, then)}
    return Answer(lines, document, (*data.notes, *((note,) if note else ())))


def _numbers(found: AnchorFit) -> tuple[str, str, str]:
    return f"{found.recall:.4f}", f"{found.per_box:.2f}", f"{found.fitness:.4f}"


def _document(anchors: np.ndarray, found: AnchorFit) -> dict[str, object]:
    return {
        "anchors_px": anchors.round(3).tolist(),
        "bpr": found.recall,
        "anchors_per_box": found.per_box,
        "fitness": found.fitness,
    }
