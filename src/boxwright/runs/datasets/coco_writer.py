# SPDX-License-Identifier: Apache-2.0
"""COCO JSON: images, annotations and categories of one split in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.data.index.index import Index
from boxwright.runs.inputs.coco_ids import CocoIds
from boxwright.system.files import make_folder, write_json

if TYPE_CHECKING:
    from pathlib import Path

FIRST = 1  # number of an image and of a category that had no id


def write_coco(out: Path, split: str, index: Index, files: list[str], ids: CocoIds) -> None:
    """Write the annotations of one split; regions to ignore become crowds.

    Images stand in the order, and bear the ids, of the annotations that they come from, if they come from such.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    ranks = {path: rank for rank, path in enumerate(ids.images)}
    category = [ids.category(number) + (0 if ids.categories else FIRST) for number in range(len(ids.names))]
    for place in sorted(range(len(index)), key=lambda place: ranks.get(index.paths[place], place)):
        record, file = index[place], files[place]
        number = ids.image(record.path, place + FIRST)
        width, height = record.size_wh
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        ignored = (np.zeros((0, 2)),) * len(record.ignored)
        classes = np.concatenate((record.classes, record.ignored[:, 0]))
        boxes = np.concatenate((record.boxes_cxcywh_norm, record.ignored[:, 1:]))
        for row, (corners, outline) in enumerate(
            zip(record.corners_px(boxes).tolist(), (*record.polygons, *ignored), strict=True)
        ):
            x1, y1, x2, y2 = corners
            points = (outline * record.size_wh).reshape(-1).round(4).tolist()
            box = [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]
            crowd = int(row >= len(record.classes))
            entry = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": category[int(classes[row])],
                "bbox": box,
            }
            stated = float(record.areas_px[row]) if not crowd else np.nan
            area = round(stated if np.isfinite(stated) else box[2] * box[3], 4)
            annotations.append({**entry, "area": area, "iscrowd": crowd, "segmentation": [points] if points else []})
    make_folder(out / "annotations")
    categories = [{"id": category[number], "name": name} for number, name in enumerate(ids.names)]
    write_json(
        out / "annotations" / f"instances_{split}.json",
        {"images": images, "annotations": annotations, "categories": categories},
    )
