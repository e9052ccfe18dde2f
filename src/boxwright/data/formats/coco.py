# SPDX-License-Identifier: Apache-2.0
"""COCO instances JSON: boxes and outlines in pixels, categories by id. Crowds become regions to ignore.

Categories are numbered in the order of their ids. An outline decides the box, as in label files; its parts are joined
by bridges of no width, which change neither box nor area. What an entry of another kind stands in the place of an id, a
name or a list is refused with its line; a fault within an annotation is a finding of its image.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from boxwright.data.formats.annotated import NOTHING, Annotated, Collector
from boxwright.data.formats.json_lists import elements
from boxwright.errors import DataError
from boxwright.geometry.polygons import box_xyxy, joined

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LISTS = frozenset(("images", "annotations", "categories"))
MIN_POINTS = 3
MIN_AGREEMENT = 0.8  # overlap of an outline's box with the stated one below which the outline belongs to something else
BOX_NUMBERS = 4
MAX_SIDE = 1 << 24  # pixels; a stated size beyond is none
SHOWN = 40  # characters of a value in a message


class CocoImage(NamedTuple):
    """An entry of 'images', as far as it matters. Width and height are as stated, None where nothing is."""

    id: int | str
    name: str
    width: Any
    height: Any


@dataclass(slots=True)
class CocoObject:
    """An entry of 'annotations', as far as it matters.

    What is None is faulty; `parts` are outlines in pixels, one (P, 2) float64 each.
    """

    line: int
    called: str
    number: int | None  # of the category, from 0
    category: str  # as written, for messages
    box: tuple[float, ...] | None
    crowd: bool | None
    area: float
    parts: tuple[np.ndarray, ...] | None
    masked: bool = False  # its outline is given as run lengths, which are not read


@dataclass
class CocoFile:
    """A JSON file, by image. `names` are the categories in order of their ids, `numbers` category id -> number."""

    file: str
    names: tuple[str, ...]
    numbers: dict[int, int]
    images: dict[str, CocoImage] = field(default_factory=dict)  # file name -> its entry
    objects: dict[int | str, list[CocoObject]] = field(default_factory=dict)  # image id -> annotations


def read_coco(file: Path) -> CocoFile:
    """Read a JSON file. Raises DataError when it is no COCO instances file."""
    kinds: dict[str, type] = {}
    images: dict[str, CocoImage] = {}
    objects: dict[int | str, list[CocoObject]] = {}
    named: dict[int, str] = {}
    taken: set[str] = set()
    waiting: list[tuple[CocoObject, Any]] = []
    for key, number, line, value in elements(file, LISTS):
        if number is None:
            kinds[key] = value
            continue
        where = f"{file}:{line}"
        _require_entry(where, key, number, value)
        if key == "images" and _is_image(value):
            image = _image(where, value)
            images[image.name] = image
        elif key == "annotations":
            one = _object(line, value)
            objects.setdefault(_id(where, value, "image_id", one.called), []).append(one)
            waiting.append((one, _scalar(value.get("category_id"))))
        elif key == "categories":
            _name_category(where, value, named, taken)
    for key in ("images", "annotations", "categories"):
        _require_list(file, kinds, key)
    if not images:
        raise _no_images(file)
    numbers = {category: number for number, category in enumerate(sorted(named))}
    for one, category in waiting:
        one.number = numbers.get(category)
    return CocoFile(str(file), tuple(named[category] for category in sorted(named)), numbers, images, objects)


def read_names(file: Path) -> tuple[str, ...]:
    """The categories alone, in order of their ids. Raises DataError; the other lists are left to read_coco."""
    named: dict[int, str] = {}
    taken: set[str] = set()
    kinds: dict[str, type] = {}
    for key, number, line, value in elements(file, frozenset(("categories",))):
        if number is None:
            kinds[key] = value
        else:
            _require_entry(f"{file}:{line}", key, number, value)
            _name_category(f"{file}:{line}", value, named, taken)
    _require_list(file, kinds, "categories")
    return tuple(named[category] for category in sorted(named))


def first_file_name(file: Path) -> str:
    """That of the first image; what stands behind it is left to read_coco. Raises DataError where there is none."""
    kinds: dict[str, type] = {}
    for key, number, line, value in elements(file, frozenset(("images",))):
        if number is None:
            kinds[key] = value
        else:
            _require_entry(f"{file}:{line}", key, number, value)
            if _is_image(value):
                return _image(f"{file}:{line}", value).name
    _require_list(file, kinds, "images")
    raise _no_images(file)


def _require_entry(where: str, key: str, number: int, value: object) -> None:
    if not isinstance(value, dict):
        raise DataError(where, f"entry {number + 1} of '{key}' is {shown(value)}", "Write {...} with its keys")


def _is_image(value: dict[str, Any]) -> bool:
    return "file_name" in value and "id" in value


def _require_list(file: Path, kinds: dict[str, type], key: str) -> None:
    if kinds.get(key) is not list:
        raise DataError(
            str(file), f"holds no list '{key}'", "Name a COCO instances file: 'images', 'annotations' and 'categories'"
        )


def _no_images(file: Path) -> DataError:
    return DataError(
        str(file), "no entry of 'images' has 'id' and 'file_name'", "This is no COCO instances file; name another"
    )


# -- entries


def _image(where: str, value: dict[str, Any]) -> CocoImage:
    name = value["file_name"]
    if not isinstance(name, str) or not _names_a_file(name):
        raise DataError(
            where, f"'file_name' is {shown(name)}, which is no name of a file", "Write the name of the image"
        )
    return CocoImage(
        _id(where, value, "id", shown(name)), name, _scalar(value.get("width")), _scalar(value.get("height"))
    )


def _names_a_file(name: str) -> bool:
    """Whether a file could be called so: text of whole characters without NUL."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _name_category(where: str, value: dict[str, Any], named: dict[int, str], taken: set[str]) -> None:
    """Note one category."""
    number, name = _whole(value.get("id")), value.get("name")
    if number is None or not isinstance(name, str) or not _is_text(name):
        text = (
            f"the category with the id {shown(value.get('id'))} and the name {shown(name)} has no whole number "
            "'id' "
            "and text 'name'"
        )
        raise DataError(where, text, "Give every category both")
    if number in named:
        raise DataError(where, f"two categories have the id {number}", "Give them different ids")
    if name in taken:
        raise DataError(where, f"two categories have one name, {shown(name)}", "Give them different names")
    taken.add(name)
    named[number] = name


def _is_text(name: str) -> bool:
    """Whether every character is whole: JSON can write halves of a pair, which no file can hold."""
    try:
        return bool(name.encode("utf-8")) or not name
    except UnicodeEncodeError:
        return False


def _id(where: str, value: dict[str, Any], key: str, called: str) -> int | str:
    found = value.get(key)
    number = _whole(found)
    if number is not None:
        return number
    if not isinstance(found, str):
        raise DataError(where, f"'{key}' of {called} is {shown(found)}", "Write a whole number, or text")
    return found


def _whole(value: Any) -> int | None:
    """A whole number, also one that was written as 1.0; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _scalar(value: Any) -> Any:
    """What may stand for an id or a number; lists and mappings become None."""
    number = _whole(value)
    return number if number is not None else value if isinstance(value, str | float) else None


def shown(value: Any) -> str:
    """A value in a message: what it is, and short."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a mapping"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > SHOWN:
        return "a number of many digits"
    text = repr(value[: SHOWN + 1]) if isinstance(value, str) else "null" if value is None else str(value).lower()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _object(line: int, value: dict[str, Any]) -> CocoObject:
    box = value.get("bbox")
    crowd = value.get("iscrowd", 0)
    return CocoObject(
        line=line,
        called=f"annotation {shown(value.get('id'))}",
        number=None,
        category=shown(value.get("category_id")),
        box=tuple(map(_float, box))
        if isinstance(box, list) and len(box) == BOX_NUMBERS and all(map(_is_number, box))
        else None,
        crowd=bool(crowd) if crowd is None or (isinstance(crowd, int | float) and crowd in {0, 1}) else None,
        area=_float(value["area"]) if _is_number(value.get("area")) else math.nan,
        parts=_parts(value.get("segmentation")),
        masked=isinstance(value.get("segmentation"), dict),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _float(value: float) -> float:
    """A number as a float; whole numbers that are too large for one are infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _parts(segmentation: Any) -> tuple[np.ndarray, ...] | None:
    """The outlines of an object in pixels. (P, 2) each; None for run lengths and for what is no polygon"""
    if not isinstance(segmentation, list):
        return None
    return tuple(_points(part) for part in segmentation if _is_polygon(part)) or None


def _is_polygon(part: Any) -> bool:
    return (
        isinstance(part, list)
        and len(part) >= 2 * MIN_POINTS
        and len(part) % 2 == 0
        and set(map(type, part)) <= {int, float}
    )


def _points(part: list[float]) -> np.ndarray:
    try:
        return np.array(part, np.float64).reshape(-1, 2)
    except OverflowError:
        return np.array(list(map(_float, part))).reshape(-1, 2)


# -- images


def reader(coco: CocoFile, root: str, clip_margin: float) -> Callable[[str, tuple[int, int]], Annotated]:
    """Reads the annotations of an image file below `root`."""
    by_file = {f"{root}/{name}": entry for name, entry in coco.images.items()}

    def read(image: str, size_wh: tuple[int, int]) -> Annotated:
        entry = by_file.get(image)
        return NOTHING if entry is None else read_image(coco, entry, size_wh, clip_margin)

    return read


def read_image(coco: CocoFile, entry: CocoImage, size_wh: tuple[int, int], clip_margin: float) -> Annotated:
    """The annotations of one entry of 'images'. `size_wh` is that of the image itself."""
    collector = Collector(coco.file, clip_margin)
    size = _size(entry, size_wh, collector)
    enlarged = float(np.prod(size_wh) / size.prod())
    with np.errstate(over="ignore", invalid="ignore"):  # numbers far out are found by what comes of them
        for one in coco.objects.get(entry.id, ()):
            _add(collector, one, size, enlarged)
    return collector.done()


def _size(entry: CocoImage, size_wh: tuple[int, int], collector: Collector) -> np.ndarray:
    stated = entry.width, entry.height
    own = f"and it has {size_wh[0]} x {size_wh[1]}"
    if not all(_is_number(side) and 1 <= side <= MAX_SIDE for side in stated):
        if stated != (None, None):
            text = (
                f"says that {entry.name} has {shown(entry.width)} x {shown(entry.height)} pixels, which is no "
                "size, "
                f"{own}; boxes are shares of that"
            )
            collector.found(None, "size", text, "Correct width and height", action="kept")
        return np.array(size_wh, np.float64)
    if stated != size_wh:
        text = f"says that {entry.name} has {stated[0]} x {stated[1]} pixels, {own}; boxes are shares of what it says"
        collector.found(None, "size", text, "Correct width and height, or turn the image", action="kept")
    return np.array(stated, np.float64)


def _add(collector: Collector, one: CocoObject, size: np.ndarray, enlarged: float) -> None:
    """Take one annotation.

    Stated areas are brought to the pixels of the image, `enlarged` times what the entry says.
    """
    if one.box is None:
        collector.found(
            one.line, "annotation", f"{one.called} has no 'bbox' of four numbers", "Write [x, y, width, height]"
        )
        return
    if one.number is None:
        collector.found(
            one.line, "class", f"{one.called} is of category {one.category}, which is not listed", "Add the category"
        )
        return
    if one.crowd is None:
        collector.found(
            one.line,
            "annotation",
            f"{one.called} has an 'iscrowd' that is neither 0 nor 1",
            "Write 0, or 1 for a crowd",
        )
        return
    x, y, width, height = one.box
    corners = np.array([x, y, x + width, y + height], np.float64) / np.tile(size, 2)
    outline = None if one.crowd or one.parts is None else joined([part / size for part in one.parts])
    if outline is not None and _overlap(box_xyxy(outline), corners) < MIN_AGREEMENT:
        text = f"the outline of {one.called} does not fit its box; the box counts"
        collector.found(one.line, "outline", text, "Correct 'segmentation' or 'bbox'", action="kept")
        outline = None
    before = len(collector.findings)
    area = one.area * enlarged
    shape = corners if outline is None else box_xyxy(outline)
    collector.add(
        None,
        one.number,
        shape,
        outline=outline,
        ignored=one.crowd,
        area_px=area if 0 < area < MAX_SIDE**2 else math.nan,
    )
    found = collector.findings[before:]
    collector.findings[before:] = [
        replace(finding, line=one.line, text=f"{one.called}: {finding.text}") for finding in found
    ]


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes as corners."""
    inner = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0).prod()
    union = (one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - inner
    return float(inner / union) if union > 0 else 1.0
