# SPDX-License-Identifier: Apache-2.0
"""What a network found as label files, one for each image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.data.index.index import Index
from boxwright.geometry.boxes import xyxy_px_to_cxcywh_norm
from boxwright.metrics.flat import Flat
from boxwright.system.files import fitting, make_folder, write_text

if TYPE_CHECKING:
    from collections.abc import Iterable


def write_labels(folder: Path, flat: Flat, index: Index, *, confidences: bool) -> None:
    """One label file per image: class, box, and the confidence where it is asked for."""
    make_folder(folder)
    names = label_names([index.paths[number] for number in flat.images])
    for place, (number, name) in enumerate(zip(flat.images, names, strict=True)):
        rows = flat.image(place).detections
        width, height = index.sizes_wh[number].tolist()
        boxes = xyxy_px_to_cxcywh_norm(rows[:, :4], (height, width))
        lines = [
            f"{int(row[5])} " + " ".join(f"{value:.6f}" for value in box) + (f" {row[4]:.6f}" if confidences else "")
            for row, box in zip(rows, boxes, strict=True)
        ]
        write_text(folder / f"{name}.txt", "".join(f"{line}\n" for line in lines), durable=False)


def label_names(paths: Iterable[str]) -> list[str]:
    """A name for each image's file: its own, and numbered where two images in different folders share one."""
    seen: dict[str, int] = {}
    found: dict[str, None] = {}
    for path in paths:
        stem = free = fitting(Path(path).stem)
        while free in found:
            seen[stem] = seen.get(stem, 1) + 1
            free = f"{stem}_{seen[stem]}"
        found[free] = None
    return list(found)
