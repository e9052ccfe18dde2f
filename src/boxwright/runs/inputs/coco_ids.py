# SPDX-License-Identifier: Apache-2.0
"""The ids of images and categories in COCO files that are written.

Ids come from a file that states them (--ids), else from the annotations of the split where these are COCO's, else they
are our own numbers; nothing is guessed from a path or a class count.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from boxwright.data.formats.coco import CocoFile, read_coco
from boxwright.data.labels.class_names import DROPPED, class_map
from boxwright.data.splits.dataset import Dataset
from boxwright.errors import SettingError
from boxwright.paths import read_regular
from boxwright.runs.inputs.open_data import OpenData

Id = int | str
MAX_BYTES = 4 << 30  # of a file that states ids: several times the annotations of COCO


@dataclass(frozen=True)
class CocoIds:
    """`images` by file name, or by whole path where annotations name it, and `categories` by class name.

    Empty = the number of the image in sorted order, the number of the class. `source` says where they are from, `why`
    what is numbered although there are ids.
    """

    names: tuple[str, ...]
    images: dict[str, Id] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)
    source: str = ""
    why: str = ""

    @property
    def told(self) -> str:
        """Where ids are from, in words."""
        numbered = "classes" if self.images else "images and classes"
        since = f"{numbered} numbered from 0{f', since {self.why}' if self.why else ''}"
        of = f"{'' if self.categories else 'images '}with the ids of {self.source}"
        return of if self.categories else f"{of}, {since}" if self.images else since

    def image(self, path: str, number: int) -> Id:
        """The id of an image."""
        if not self.images:
            return number
        if path in self.images:
            return self.images[path]
        name = Path(path).name
        if name not in self.images:
            raise SettingError(
                "--ids", f"no id is stated for the image '{name}'", "Give the annotation file of the same split"
            )
        return self.images[name]

    def category(self, number: int) -> int:
        """The id of a class."""
        return self.categories[self.names[number]] if self.categories else number


def ids_for(file: str, data: OpenData, split: str) -> CocoIds:
    """Ids from a file that was named, else from the annotations of the split. Raises SettingError."""
    return read_ids(file, data.names) if file else ids_of_annotations(data, split)


def ids_of_annotations(data: OpenData, split: str) -> CocoIds:
    """The ids that a split has in its COCO annotations; our own numbers where it has none or they contradict."""
    return ids_in(data.dataset, split, data.names, annotations_of(data.dataset, split))


def annotations_of(dataset: Dataset, split: str) -> list[CocoFile]:
    """The COCO annotations of a split; none where a source has others."""
    sources = dataset.sources[split]
    return [read_coco(one.place) for one in sources] if all(one.format == "coco" for one in sources) else []


def ids_in(dataset: Dataset, split: str, names: tuple[str, ...], files: list[CocoFile]) -> CocoIds:
    """The same for classes that are called so now, from annotations that were read."""
    if not files:
        return CocoIds(names)
    sources = dataset.sources[split]
    paths: list[tuple[str, Id]] = []
    known: dict[str, set[int]] = {}
    for source, found in zip(sources, files, strict=True):
        paths += [(f"{source.images}/{name}", entry.id) for name, entry in found.images.items()]
        final = class_map(found.names, source.edits, dataset.names).tolist()
        for category, native in found.numbers.items():
            if final[native] != DROPPED:
                known.setdefault(dataset.names[final[native]], set()).add(category)
    places = ", ".join(dict.fromkeys(str(source.place) for source in sources))
    images = dict(paths)
    if len(set(images.values())) < len(images):
        return CocoIds(names, why=f"{places} give ids twice")
    categories = _categories(names, known)
    if not categories:
        return CocoIds(names, images, source=places, why="several categories are one class")
    return CocoIds(names, images, categories, places)


def _categories(names: tuple[str, ...], known: dict[str, set[int]]) -> dict[str, int]:
    """One category for every class, new ones for those that have none; nothing where it cannot be told."""
    ids = {name: next(iter(known[name])) for name in names if len(known.get(name, ())) == 1}
    if not ids or len(set(ids.values())) < len(ids) or any(len(known.get(name, ())) > 1 for name in names):
        return {}
    free = itertools.count(max(category for found in known.values() for category in found) + 1)
    return {name: ids[name] if name in ids else next(free) for name in names}


def read_ids(file: str, names: tuple[str, ...]) -> CocoIds:
    """Ids from a COCO annotation file, or from {"images": {file name: id}, "categories": {class name: id}}.

    Raises SettingError.
    """
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
    stems: dict[str, Id] = {Path(name).name: number for name, number in images.items()}
    return CocoIds(names, stems, categories, file)


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
