# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: an XML file for each image, and a list of the images of each split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from boxwright.data.index.index import Index
from boxwright.errors import DataError
from boxwright.runs.inputs.coco_ids import CocoIds
from boxwright.system.files import make_folder, write_text

if TYPE_CHECKING:
    import numpy as np


def write_voc(out: Path, split: str, index: Index, files: list[str], ids: CocoIds) -> None:
    """Write the annotations of one split; regions to ignore become difficult objects."""
    names = ids.names
    for folder in ("Annotations", "ImageSets/Main"):
        make_folder(out / folder)
    for record, file in zip(index, files, strict=True):
        width, height = record.size_wh
        lines = [
            "<annotation>",
            f"  <filename>{escape(file)}</filename>",
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        ]
        lines += _objects(record.classes, record.corners_px(record.boxes_cxcywh_norm).tolist(), names, difficult=0)
        lines += _objects(record.ignored[:, 0], record.corners_px(record.ignored[:, 1:]).tolist(), names, difficult=1)
        write_text(
            out / "Annotations" / f"{Path(file).stem}.xml", "\n".join([*lines, "</annotation>", ""]), durable=False
        )
    write_text(out / "ImageSets/Main" / f"{split}.txt", "".join(f"{Path(file).stem}\n" for file in files))


def require_xml(place: str, names: tuple[str, ...]) -> None:
    """Refuse names that an XML file does not give back as they are. Raises DataError."""
    odd = next((name for name in names if not name.isprintable() or name.strip() != name or not name), None)
    if odd is not None:
        raise DataError(
            place,
            f"the class '{odd}' has a name that XML cannot hold",
            "Rename it with 'rename:', or convert to yolo or coco",
        )


def _objects(classes: np.ndarray, corners: list[list[float]], names: tuple[str, ...], *, difficult: int) -> list[str]:
    found = []
    for number, values in zip(classes.astype(int).tolist(), corners, strict=True):
        box = "".join(
            f"<{key}>{round(value, 4)!r}</{key}>"
            for key, value in zip(("xmin", "ymin", "xmax", "ymax"), values, strict=True)
        )
        found.append(
            "  "
            f"<object><name>{escape(names[number])}</name><difficult>{difficult}</difficult><bndbox>{box}</bndbox></object>"
        )
    return found
