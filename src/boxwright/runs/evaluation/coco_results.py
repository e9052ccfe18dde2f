# SPDX-License-Identifier: Apache-2.0
"""COCO results, and the ids of images and categories in them.

Ids come from a file that states them, else they are our own numbers; nothing is guessed from a path or a class count.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from boxwright.data.index.index import Index
from boxwright.errors import SettingError
from boxwright.metrics.flat import Flat
from boxwright.system.files import read_regular

MAX_BYTES = 4 << 30  # of a file that states ids: several times the annotations of COCO


@dataclass(frozen=True)
class CocoIds:
    """`images` by file name and `categories` by class name.

    Empty = the number of the image in sorted order, the number of the class.
    """

    names: tuple[str, ...]
    images: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)

    def image(self, path: str, number: int) -> int:
        """The id of an image."""
        if not self.images:
            return number
        name = Path(path).name
        if name not in self.images:
            raise SettingError(
                "--ids", f"no id is stated for the image '{name}'", "Give the annotation file of the same split"
            )
        return self.images[name]

    def category(self, number: int) -> int:
        """The id of a class."""
        return self.categories[self.names[number]] if self.categories else number


def read_ids(file: str, names: tuple[str, ...]) -> CocoIds:
    """Ids from a COCO annotation file, or from {"images": {file name: id}, "categories": {class name: id}}.

    Raises SettingError.
    """
    if not file:
        return CocoIds(names)
    where = f"--ids {file}"
    try:
        document = json.loads(read_regular(file, MAX_BYTES))
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SettingError(where, f"cannot be read ({why})", "Give a COCO annotation file") from None
    except (ValueError, RecursionError):
        raise SettingError(where, "is no JSON", "Give a COCO annotation file") from None
    images, categories = _ids(document, "images", "file_name", where), _ids(document, "categories", "name", where)
    missing = [name for name in names if name not in categories]
    if missing:
        raise SettingError(where, f"has no category '{missing[0]}'", f"Its categories: {', '.join(categories)}")
    return CocoIds(names, {Path(name).name: number for name, number in images.items()}, categories)


def _ids(document: Any, key: str, name: str, where: str) -> dict[str, int]:
    """Name to id, from a list of objects or a plain mapping."""
    listed = document.get(key) if isinstance(document, dict) else None
    try:
        found = (
            {str(one[name]): int(one["id"]) for one in listed}
            if isinstance(listed, list)
            else {str(k): int(v) for k, v in dict(listed or ()).items()}
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        found = {}
    if not found:
        raise SettingError(where, f"states no {key} with '{name}' and 'id'", "Give a COCO annotation file")
    return found


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
