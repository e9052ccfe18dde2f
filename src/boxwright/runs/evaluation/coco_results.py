# SPDX-License-Identifier: Apache-2.0
"""Detections as COCO results."""

from __future__ import annotations

from typing import Any

import numpy as np

from boxwright.data.index.index import Index
from boxwright.metrics.flat import Flat
from boxwright.runs.inputs.coco_ids import CocoIds


def coco_results(flat: Flat, index: Index, ids: CocoIds) -> list[dict[str, Any]]:
    """Detections as COCO results. Numbers are written in full, so that another evaluator sees what ours saw."""
    rows = flat.detections.astype(np.float64)
    images = [ids.image(index.paths[number], int(number)) for number in flat.images]
    sides = rows[:, 2:4] - rows[:, :2]
    return [
        {
            "image_id": images[image],
            "category_id": ids.category(int(row[5])),
            "bbox": [*row[:2].tolist(), *side.tolist()],
            "score": float(row[4]),
        }
        for image, row, side in zip(flat.detection_images.tolist(), rows, sides, strict=True)
    ]
