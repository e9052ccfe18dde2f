# SPDX-License-Identifier: Apache-2.0
"""Label files: one text file beside each image, one line for each object."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from boxwright.data.index.index import Index
from boxwright.runs.inputs.coco_ids import CocoIds
from boxwright.system.files import make_folder, write_text


def write_yolo(out: Path, split: str, index: Index, files: list[str], _ids: CocoIds) -> None:
    """Write the labels of one split: outlines where there are some, else boxes, in shares of the picture."""
    folder = out / "labels" / split
    make_folder(folder)
    for record, file in zip(index, files, strict=True):
        rows = zip(record.classes.tolist(), record.boxes_cxcywh_norm, record.polygons, strict=True)
        text = "".join(f"{number} {_numbers(outline if len(outline) else box)}\n" for number, box, outline in rows)
        write_text(folder / f"{Path(file).stem}.txt", text, durable=False)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.8f}".rstrip("0").rstrip(".") for value in values.astype(np.float64).reshape(-1).tolist())
