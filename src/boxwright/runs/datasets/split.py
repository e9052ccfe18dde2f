# SPDX-License-Identifier: Apache-2.0
"""Lists of files for training, validation and test, classes in equal shares, groups kept together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from boxwright.config.schema.datasets import SplitSettings
from boxwright.data.index.index import Index
from boxwright.data.index.selection import joined
from boxwright.data.splits.dataset import Dataset, read_dataset
from boxwright.data.splits.division import divide, groups_of
from boxwright.data.splits.listing import listable
from boxwright.data.splits.open_split import open_split
from boxwright.data.splits.source import USUAL_RULE, Source
from boxwright.errors import DataError, SettingError
from boxwright.paths import read_regular
from boxwright.runs.datasets.convert import require_new_folder
from boxwright.runs.inputs.open_data import locate_data
from boxwright.system.device import usable_cores
from boxwright.system.files import write_text, write_yaml

if TYPE_CHECKING:
    from pathlib import Path

PARTS = ("train", "val", "test")
NAME_FILES = ("classes.txt", "obj.names", "names.txt", "labels/classes.txt")
MAX_NAMES_BYTES = 1 << 22  # of a list of class names


@dataclass(frozen=True)
class Part:
    """What one part got: its images, and objects of each class."""

    name: str
    images: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Divided:
    """The data set that was written. `names` are its classes."""

    yaml: Path
    names: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()


def split(settings: SplitSettings) -> Divided:
    """Divide and write lists. Raises SettingError and DataError before anything is written."""
    if settings.val + settings.test >= 1:
        raise SettingError(
            "--val + --test",
            f"{settings.val:g} and {settings.test:g} leave nothing to train on",
            "Give shares that sum to less than 1",
        )
    dataset = _opened(settings)
    index = joined([open_split(dataset, split, threads=usable_cores()) for split in dataset.sources])
    odd = next((path for path in index.paths if not listable(path)), None)
    if odd is not None:
        raise DataError(odd, "this name cannot stand in a list, which holds one path per line", "Rename the file")
    out = require_new_folder(settings.out)
    groups = groups_of(index.paths, settings.group)
    shares = [1 - settings.val - settings.test, settings.val, *([settings.test] if settings.test > 0 else [])]
    part = divide(_counts(index, groups, dataset.num_classes), np.bincount(groups), shares, settings.seed)[groups]
    return _written(out, dataset, index, part, len(shares))


def _counts(index: Index, groups: np.ndarray, num_classes: int) -> np.ndarray:
    """Objects of each class in each group. (G, C)"""
    counts = np.zeros((int(groups.max()) + 1, num_classes), np.int64)
    np.add.at(counts, (groups[index.image_of_object], index.classes), 1)
    return counts


def _opened(settings: SplitSettings) -> Dataset:
    """A data set whose splits are pooled, or one made of a bare folder."""
    place = locate_data(settings.data)
    is_set = place.is_file() or (place.is_dir() and (any(place.glob("*.y*ml")) or (place / "Annotations").is_dir()))
    if is_set or not place.is_dir():
        dataset = read_dataset(place, needed=())
        odd = next((source for found in dataset.sources.values() for source in found if source.format == "coco"), None)
        if odd is not None:
            raise SettingError(
                settings.data, "a COCO JSON cannot be divided by lists of images", "Run `boxwright data convert` first"
            )
        return dataset
    names = settings.names or _names_in(place)
    if not names:
        raise SettingError(
            settings.data,
            f"the folder says nowhere what its classes are called (looked for {', '.join(NAME_FILES)})",
            "Give --names",
        )
    root = place.resolve()
    source = Source("yolo", root / "images" if (root / "images").is_dir() else root, root, names)
    return Dataset(root, root, {"all": (source,)}, names)


def _names_in(folder: Path) -> tuple[str, ...]:
    for name in NAME_FILES:
        if (folder / name).is_file():
            try:
                lines = read_regular(folder / name, MAX_NAMES_BYTES).decode("utf-8-sig").splitlines()
            except OSError as error:
                raise DataError(
                    str(folder / name),
                    f"cannot be read ({(error.strerror or str(error)).lower()})",
                    "Make it readable, or give --names",
                ) from None
            except UnicodeDecodeError:
                raise DataError(str(folder / name), "is not UTF-8 text", "Save it as UTF-8, or give --names") from None
            return tuple(line.strip() for line in lines if line.strip())
    return ()


def _written(out: Path, dataset: Dataset, index: Index, part_of: np.ndarray, num_parts: int) -> Divided:
    sources = [source for found in dataset.sources.values() for source in found]
    rules = {source.rule for source in sources}
    formats = {source.format for source in sources}
    if len(rules) > 1 or len(formats) > 1 or any(source.edits != sources[0].edits for source in sources):
        raise SettingError(
            str(dataset.file), "its sources differ in format, label rule or classes", "Divide each of them alone"
        )
    parts = []
    for number in range(num_parts):
        images = np.flatnonzero(part_of == number)
        write_text(out / f"{PARTS[number]}.txt", "".join(f"{index.paths[i]}\n" for i in images.tolist()))
        counts = np.bincount(index.classes[part_of[index.image_of_object] == number], minlength=dataset.num_classes)
        parts.append(Part(PARTS[number], len(images), tuple(counts.tolist())))
    rule = next(iter(rules))
    yaml = {"path": ".", **{part.name: f"{part.name}.txt" for part in parts}, "format": next(iter(formats))}
    if rule != USUAL_RULE:
        yaml["labels"] = f"{rule.before} -> {rule.after}" if rule.before else "beside"
    names = sources[0].names or dataset.names
    write_yaml(out / "data.yaml", {**yaml, "names": dict(enumerate(names))})
    return Divided(out / "data.yaml", dataset.names, tuple(parts), dataset.lines)
