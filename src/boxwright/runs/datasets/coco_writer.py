# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: images, annotations and categories of one split in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.data.index.index import Index
from boxwright.system.files import make_folder, write_json

if TYPE_CHECKING:
    from pathlib import Path

FIRST_CATEGORY = 1  # of a file written here


def write_coco(out: Path, split: str, index: Index, files: list[str], names: tuple[str, ...]) -> None:
    """Write the annotations of one split; regions to ignore become crowds."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (record, file) in enumerate(zip(index, files, strict=True), 1):
        width, height = record.size_wh
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        ignored = (np.zeros((0, 2)),) * len(record.ignored)
        classes = np.concatenate((record.classes, record.ignored[:, 0]))
        boxes = np.concatenate((record.boxes_cxcywh_norm, record.ignored[:, 1:]))
        for place, (corners, outline) in enumerate(
            zip(record.corners_px(boxes).tolist(), (*record.polygons, *ignored), strict=True)
        ):
            x1, y1, x2, y2 = corners
            points = (outline * record.size_wh).reshape(-1).round(4).tolist()
            box = [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]
            crowd = int(place >= len(record.classes))
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": int(classes[place]) + FIRST_CATEGORY,
                "bbox": box,
            }
            stated = float(record.areas_px[place]) if not crowd else np.nan
            area = round(stated if np.isfinite(stated) else box[2] * box[3], 4)
            annotations.append({**entry, "area": area, "iscrowd": crowd, "segmentation": [points] if points else []})
    make_folder(out / "annotations")
    categories = [{"id": number + FIRST_CATEGORY, "name": name} for number, name in enumerate(names)]
    write_json(
        out / "annotations" / f"instances_{split}.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
