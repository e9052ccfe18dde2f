# SPDX-License-Identifier: Apache-2.0
"""`boxwright data convert`: label files, COCO JSON or Pascal VOC from any of the three.

Written anew in a folder of its own, never in place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from boxwright.config.load import Resolved
from boxwright.config.schema.datasets import ConvertSettings
from boxwright.data.index.index import Index, Record
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.errors import DataError, SettingError
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px
from boxwright.runs.inputs.open_data import locate_data
from boxwright.structures.answer import Answer
from boxwright.system.device import usable_cores
from boxwright.system.files import copy_file, fitting, link_file, make_folder, write_json, write_text, write_yaml
from boxwright.track.sinks.console import Progress

FIRST_CATEGORY = 1  # of a COCO file written here


class _Names:
    """Gives every image of a set a file name of its own."""

    def __init__(self, *, blanks: bool) -> None:
        self.taken: dict[str, int] = {}  # a name and the highest number that was tried behind it
        self.blanks = blanks  # whether they may be in a name

    def letter(self, letter: str) -> str:
        """The letter itself, or what stands for one that steers a terminal, ends a line, or is no letter at all."""
        return letter if letter.isprintable() and (self.blanks or not letter.isspace()) else "_"

    def of(self, path: str) -> str:
        """The file's own name in letters that every list and format can hold.

        With a number where another image has the same stem.
        """
        stem, suffix = fitting("".join(map(self.letter, Path(path).stem))), Path(path).suffix
        free, number = stem, self.taken.get(stem.lower(), 1)
        while free.lower() in self.taken:
            number += 1
            free = f"{stem}_{number}"
        self.taken[stem.lower()] = number
        self.taken.setdefault(free.lower(), 1)
        return f"{free}{suffix}"


def run(resolved: Resolved[ConvertSettings]) -> Answer:
    """Read every split and write it."""
    settings = resolved.settings
    dataset = read_dataset(locate_data(settings.data), needed=())
    if settings.to == "voc":
        _require_xml(str(dataset.file), dataset.names)
    out = require_new_folder(settings.out)
    indexes = {split: open_split(dataset, split, threads=usable_cores()) for split in dataset.sources}
    notes = [*dataset.notes]
    written = 0
    for split, index in indexes.items():
        names = _Names(blanks=settings.to != "voc")  # whose lists take a blank for the end of a name
        files = [names.of(path) if settings.to != "voc" else f"{split}_{names.of(path)}" for path in index.paths]
        folder = out / ("JPEGImages" if settings.to == "voc" else f"images/{split}")
        _place_images(index, files, folder, settings.images)
        {"yolo": _write_yolo, "coco": _write_coco, "voc": _write_voc}[settings.to](
            out, split, index, files, dataset.names
        )
        written += len(index)
        if settings.to == "yolo" and len(index.ignored):
            notes.append(
                f"split '{split}': {len(index.ignored)} regions to ignore cannot be said in label files and are left "
                "out"
            )
    yaml = out / "data.yaml"
    write_yaml(yaml, _yaml(settings.to, tuple(indexes), dataset.names, dataset.kind._asdict()))
    lines = [f"{written} images in {len(indexes)} splits written to {out} ({settings.to})", str(yaml)]
    return Answer(
        lines,
        {"yaml": str(yaml), "images": {split: len(index) for split, index in indexes.items()}, "format": settings.to},
        tuple(notes),
    )


def require_new_folder(name: str) -> Path:
    """A folder that holds nothing yet. Raises SettingError."""
    out = Path(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(
            f"--out {name}", "is there already and holds something", "Name a new folder; data is never changed in place"
        )
    make_folder(out)
    return out.resolve()


def _yaml(kind: str, splits: tuple[str, ...], names: tuple[str, ...], pixels: dict[str, Any]) -> dict[str, Any]:
    places = {"yolo": "images/{}", "coco": "annotations/instances_{}.json", "voc": "ImageSets/Main/{}.txt"}
    found: dict[str, Any] = {"path": ".", "format": kind, **{split: places[kind].format(split) for split in splits}}
    if kind == "coco":
        found["images"] = {split: f"images/{split}" for split in splits}
    if pixels != {"channels": 3, "depth": "uint8"}:
        found |= {"channels": pixels["channels"], "dtype": pixels["depth"]}
    return {**found, "names": dict(enumerate(names))}


def _place_images(index: Index, files: list[str], folder: Path, how: str) -> None:
    make_folder(folder)
    progress = Progress(f"writing {folder}")
    for done, (path, file) in enumerate(zip(index.paths, files, strict=True), 1):
        (copy_file if how == "copy" else link_file)(Path(path), folder / file)
        progress(done, len(files))


# -- formats


def _write_yolo(out: Path, split: str, index: Index, files: list[str], _names: tuple[str, ...]) -> None:
    folder = out / "labels" / split
    make_folder(folder)
    for record, file in zip(index, files, strict=True):
        rows = zip(record.classes.tolist(), record.boxes_cxcywh_norm, record.polygons, strict=True)
        text = "".join(f"{number} {_numbers(outline if len(outline) else box)}\n" for number, box, outline in rows)
        write_text(folder / f"{Path(file).stem}.txt", text, durable=False)


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.8f}".rstrip("0").rstrip(".") for value in values.astype(np.float64).reshape(-1).tolist())


def _write_coco(out: Path, split: str, index: Index, files: list[str], names: tuple[str, ...]) -> None:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, (record, file) in enumerate(zip(index, files, strict=True), 1):
        width, height = record.size_wh
        images.append({"id": number, "file_name": file, "width": width, "height": height})
        ignored = (np.zeros((0, 2)),) * len(record.ignored)
        classes = np.concatenate((record.classes, record.ignored[:, 0]))
        boxes = np.concatenate((record.boxes_cxcywh_norm, record.ignored[:, 1:]))
        for place, (corners, outline) in enumerate(
            zip(_corners(boxes, record), (*record.polygons, *ignored), strict=True)
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


def _corners(boxes_cxcywh_norm: np.ndarray, record: Record) -> list[list[float]]:
    width, height = record.size_wh
    corners: list[list[float]] = cxcywh_norm_to_xyxy_px(boxes_cxcywh_norm.astype(np.float64), (height, width)).tolist()
    return corners


def _write_voc(out: Path, split: str, index: Index, files: list[str], names: tuple[str, ...]) -> None:
    for folder in ("Annotations", "ImageSets/Main"):
        make_folder(out / folder)
    for record, file in zip(index, files, strict=True):
        width, height = record.size_wh
        lines = [
            "<annotation>",
            f"  <filename>{escape(file)}</filename>",
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>",
        ]
        lines += _objects(record.classes, _corners(record.boxes_cxcywh_norm, record), names, difficult=0)
        lines += _objects(record.ignored[:, 0], _corners(record.ignored[:, 1:], record), names, difficult=1)
        write_text(
            out / "Annotations" / f"{Path(file).stem}.xml", "\n".join([*lines, "</annotation>", ""]), durable=False
        )
    write_text(out / "ImageSets/Main" / f"{split}.txt", "".join(f"{Path(file).stem}\n" for file in files))


def _require_xml(place: str, names: tuple[str, ...]) -> None:
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
