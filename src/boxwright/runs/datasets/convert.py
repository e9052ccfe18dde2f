# SPDX-License-Identifier: Apache-2.0
"""A data set written anew in another format, in a folder of its own, never in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.config.schema.datasets import ConvertSettings
from boxwright.data.formats.coco import CocoFile
from boxwright.data.index.index import Index
from boxwright.data.labels.findings import summary
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.errors import SettingError
from boxwright.runs.datasets.coco_writer import write_coco
from boxwright.runs.datasets.voc_writer import require_xml, write_voc
from boxwright.runs.datasets.yolo_writer import write_yolo
from boxwright.runs.inputs.coco_ids import CocoIds, annotations_of, ids_in
from boxwright.runs.inputs.open_data import locate_data
from boxwright.system.device import usable_cores
from boxwright.system.files import copy_file, fitting, link_file, make_folder, write_yaml
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

WRITERS: dict[str, Callable[[Path, str, Index, list[str], CocoIds], None]] = {
    "yolo": write_yolo,
    "coco": write_coco,
    "voc": write_voc,
}


@dataclass(frozen=True)
class Converted:
    """The data set that was written: its YAML and its images by split."""

    folder: Path
    yaml: Path
    images: dict[str, int]
    notes: tuple[str, ...]


def convert(settings: ConvertSettings) -> Converted:
    """Read every split and write it. Raises DataError and SettingError before anything is written."""
    dataset = read_dataset(locate_data(settings.data), needed=())
    if settings.to == "voc":
        require_xml(str(dataset.file), dataset.names)
    out = require_new_folder(settings.out)
    indexes = {split: open_split(dataset, split, threads=usable_cores()) for split in dataset.sources}
    notes = [*dataset.lines]
    names = _file_names(indexes, shared=settings.to == "voc")
    for split, index in indexes.items():
        files = names[split]
        folder = out / ("JPEGImages" if settings.to == "voc" else f"images/{split}")
        _place_images(index, files, folder, settings.images)
        annotations = annotations_of(dataset, split)
        ids = ids_in(dataset, split, dataset.names, annotations)
        WRITERS[settings.to](out, split, index, files, ids)
        losses = (*_unsaid(settings.to, index, ids), *_unread(annotations))
        notes += [f"split '{split}': {line}" for line in (*losses, *_about_images(index, files))]
    if any(source.weight is not None for found in dataset.sources.values() for source in found):
        notes.append("what was several sources is one: their weights are not kept")
    yaml = out / "data.yaml"
    write_yaml(yaml, _yaml(settings.to, tuple(indexes), dataset.names, dataset.kind._asdict()))
    return Converted(out, yaml, {split: len(index) for split, index in indexes.items()}, tuple(notes))


def require_new_folder(name: str) -> Path:
    """A folder that holds nothing yet. Raises SettingError."""
    out = Path(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(
            f"--out {name}", "is there already and holds something", "Name a new folder; data is never changed in place"
        )
    make_folder(out)
    return out.resolve()


FORMAT_WORDS = {"yolo": "label files", "voc": "XML files"}


def _unsaid(to: str, index: Index, ids: CocoIds) -> list[str]:
    """What a format has no place for, in one line."""
    if to == "coco":
        return (
            [f"{'categories' if ids.images else 'images and categories'} are numbered anew, since {ids.why}"]
            if ids.why
            else []
        )
    regions, outlines = len(index.ignored), int((np.diff(index.first_point) > 0).sum())
    areas = int(np.isfinite(index.areas_px).sum())
    found = [
        f"{regions} regions to ignore" if regions and to == "yolo" else "",
        f"{outlines} outlines (their boxes are kept)" if outlines and to == "voc" else "",
        f"{areas} stated areas" if areas else "",
        "the ids of images and categories" if ids.images else "",
    ]
    listed = ", ".join(word for word in found if word)
    return [f"{FORMAT_WORDS[to]} cannot hold {listed}"] if listed else []


def _unread(annotations: list[CocoFile]) -> list[str]:
    """What of COCO annotations is not kept whatever is written."""
    every = [one for file in annotations for objects in file.objects.values() for one in objects]
    masks, parts = sum(one.masked for one in every), sum(len(one.parts or ()) > 1 for one in every)
    found = [
        f"{masks} masks of run lengths are left out, their boxes are kept" if masks else "",
        f"{parts} outlines of several parts become one, joined by lines without width" if parts else "",
        "annotations are numbered anew" if every else "",
    ]
    return ["; ".join(word for word in found if word)] if every else []


def _about_images(index: Index, files: list[str]) -> list[str]:
    """Images that take no part, boxes that were dropped or clipped, and images that now come in another order."""
    told = summary(index.findings)
    moved = files != sorted(files)
    return [
        *([told] if told else []),
        *(["images come in another order, since those of several folders lie in one now"] if moved else []),
    ]


def _file_names(indexes: dict[str, Index], *, shared: bool) -> dict[str, list[str]]:
    """A file name for each image of each split; `shared`: all lie in one folder, named in lists of words."""
    plain: dict[str, list[str]] = {}
    names = _Names(blanks=not shared)
    for split, index in indexes.items():
        names = names if shared else _Names(blanks=True)
        plain[split] = [names.of(path) for path in index.paths]
    if not shared or not names.renamed:
        return plain
    marked = _Names(blanks=False)
    return {split: [marked.of(path, f"{split}_") for path in index.paths] for split, index in indexes.items()}


class _Names:
    """Gives every image of a set a file name of its own."""

    def __init__(self, *, blanks: bool) -> None:
        self.taken: dict[str, int] = {}  # a name and the highest number that was tried behind it
        self.blanks = blanks  # whether they may be in a name
        self.renamed = False  # whether any got a number

    def letter(self, letter: str) -> str:
        """The letter itself, or what stands for one that steers a terminal, ends a line, or is no letter at all."""
        return letter if letter.isprintable() and (self.blanks or not letter.isspace()) else "_"

    def of(self, path: str, mark: str = "") -> str:
        """The file's own name in letters that every list and format can hold.

        With `mark` before it, unless it is there, and a number where another image has the same stem.
        """
        stem, suffix = "".join(map(self.letter, Path(path).stem)), Path(path).suffix
        stem = fitting(stem if stem.startswith(mark) else f"{mark}{stem}")
        free, number = stem, self.taken.get(stem.lower(), 1)
        while free.lower() in self.taken:
            number += 1
            self.renamed = True
            free = f"{stem}_{number}"
        self.taken[stem.lower()] = number
        self.taken.setdefault(free.lower(), 1)
        return f"{free}{suffix}"


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
