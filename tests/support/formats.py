# SPDX-License-Identifier: Apache-2.0
"""One drawn data set in three formats: label files, COCO JSON, Pascal VOC.

Boxes lie on whole pixels, so that all say the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.support.datasets import NAMES, SIZES_WH, picture

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

CATEGORY_IDS = (3, 7, 20)  # with gaps, as in COCO
AREA_SHARE = 0.4  # of its box that an object is said to fill


def corners_of(row: np.ndarray, size_wh: tuple[int, int]) -> list[int]:
    """x1, y1, x2, y2 in whole pixels."""
    _, cx, cy, w, h = row
    width, height = size_wh
    return [
        round((cx - w / 2) * width),
        round((cy - h / 2) * height),
        round((cx + w / 2) * width),
        round((cy + h / 2) * height),
    ]


def scenes(count: int, first: int = 0) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Names, pictures and rows."""
    return [(f"{i:03}.png", *picture(first + i, SIZES_WH[i % len(SIZES_WH)])) for i in range(count)]


def write_coco(folder: Path, *, train: int = 8, val: int = 4) -> Path:
    """images/SPLIT and annotations/instances_SPLIT.json; every third object is an outline, one crowd in each file.

    Returns the JSON of train.
    """
    for split, count, first in (("train", train, 0), ("val", val, 1000)):
        (folder / "images" / split).mkdir(parents=True)
        (folder / "annotations").mkdir(exist_ok=True)
        document: dict[str, Any] = {
            "images": [],
            "annotations": [],
            "categories": [{"id": i, "name": n} for i, n in zip(CATEGORY_IDS, NAMES, strict=True)],
        }
        for number, (name, image, rows) in enumerate(scenes(count, first)):
            Image.fromarray(image).save(folder / "images" / split / name)
            height, width = image.shape[:2]
            document["images"].append({"id": number + 10, "file_name": name, "width": width, "height": height})
            for row in rows:
                x1, y1, x2, y2 = corners_of(row, (width, height))
                entry = {
                    "id": len(document["annotations"]) + 1,
                    "image_id": number + 10,
                    "category_id": CATEGORY_IDS[int(row[0])],
                    "iscrowd": 0,
                }
                outline = [[x1, y1, x2, y1, x2, y2, x1, y2]] if len(document["annotations"]) % 3 == 0 else []
                area = (x2 - x1) * (y2 - y1) * AREA_SHARE
                document["annotations"].append(
                    {**entry, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": area, "segmentation": outline}
                )
        crowd = {
            "id": 9000,
            "image_id": 10,
            "category_id": CATEGORY_IDS[0],
            "iscrowd": 1,
            "bbox": [0, 0, 10, 10],
            "area": 60,
            "segmentation": {"counts": [1], "size": [1, 1]},
        }
        document["annotations"].append(crowd)
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document, indent=1))
    return folder / "annotations" / "instances_train.json"


def write_voc(folder: Path, *, train: int = 8, val: int = 4) -> Path:
    """JPEGImages, Annotations, ImageSets/Main; one difficult object in each split.

    Returns a YAML that names the classes in their order.
    """
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    for split, count, first in (("train", train, 0), ("val", val, 1000)):
        stems = []
        for number, (name, image, rows) in enumerate(scenes(count, first)):
            stems.append(f"{split}_{name[:-4]}")
            Image.fromarray(image).save(folder / "JPEGImages" / f"{stems[-1]}.png")
            height, width = image.shape[:2]
            objects = [(NAMES[int(row[0])], corners_of(row, (width, height)), 0) for row in rows]
            objects += [(NAMES[0], [0, 0, 10, 10], 1)] if number == 0 else []
            (folder / "Annotations" / f"{stems[-1]}.xml").write_text(_xml(objects, (width, height)))
        (folder / "ImageSets/Main" / f"{split}.txt").write_text("\n".join(stems) + "\n")
    yaml = folder / "voc.yaml"
    yaml.write_text(
        "path: .\nformat: voc\ntrain: ImageSets/Main/train.txt\nval: ImageSets/Main/val.txt\nnames: [red, blue, "
        "green]\n"
    )
    return yaml


def _xml(objects: list[tuple[str, list[int], int]], size_wh: tuple[int, int]) -> str:
    lines = ["<annotation>", f"<size><width>{size_wh[0]}</width><height>{size_wh[1]}</height><depth>3</depth></size>"]
    for name, (x1, y1, x2, y2), difficult in objects:
        box = f"<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
        lines.append(f"<object><name>{name}</name><difficult>{difficult}</difficult>{box}</object>")
    return "\n".join([*lines, "</annotation>", ""])
