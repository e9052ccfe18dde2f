# SPDX-License-Identifier: Apache-2.0
"""A data set written anew in another format, in a folder of its own, never in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.config.schema.datasets import ConvertSettings
from boxwright.data.index.index import Index
from boxwright.data.splits.dataset import read_dataset
from boxwright.data.splits.open_split import open_split
from boxwright.errors import SettingError
from boxwright.runs.datasets.coco_writer import write_coco
from boxwright.runs.datasets.voc_writer import require_xml, write_voc
from boxwright.runs.datasets.yolo_writer import write_yolo
from boxwright.runs.inputs.open_data import locate_data
from boxwright.system.device import usable_cores
from boxwright.system.files import copy_file, fitting, link_file, make_folder, write_yaml
from boxwright.track.sinks.console import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

WRITERS: dict[str, Callable[[Path, str, Index, list[str], tuple[str, ...]], None]] = {
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
    for split, index in indexes.items():
        files = _file_names(index, "" if settings.to != "voc" else f"{split}_", blanks=settings.to != "voc")
        folder = out / ("JPEGImages" if settings.to == "voc" else f"images/{split}")
        _place_images(index, files, folder, settings.images)
        WRITERS[settings.to](out, split, index, files, dataset.names)
        if settings.to == "yolo" and len(index.ignored):
            notes.append(
                f"split '{split}': {len(index.ignored)} regions to ignore cannot be said in label files and are left "
                "out"
            )
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


def _file_names(index: Index, before: str, *, blanks: bool) -> list[str]:
    """A file name for each image; VOC's lists take a blank for the end of a name."""
    names = _Names(blanks=blanks)
    return [f"{before}{names.of(path)}" for path in index.paths]


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
