# SPDX-License-Identifier: Apache-2.0
"""COCO instances JSON: boxes and outlines in pixels, categories by id. Crowds become regions to ignore.

Categories are numbered in the order of their ids. An outline decides the box, as in label files; its parts are joined by
bridges of no width, which change neither box nor area.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boxwright.data.formats.annotated import NOTHING, Annotated, Collector
from boxwright.errors import DataError
from boxwright.geometry.polygons import box_xyxy
from boxwright.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_JSON_BYTES = 4 << 30
MIN_POINTS = 3
MIN_AGREEMENT = 0.8  # overlap of an outline's box with the stated one below which the outline belongs to something else
BOX_NUMBERS = 4


@dataclass
class CocoFile:
    """A JSON file, by image. `names` are the categories in order of their ids, `numbers` category id -> number."""

    file: str
    names: tuple[str, ...]
    numbers: dict[int, int]
    images: dict[str, dict[str, Any]] = field(default_factory=dict)  # file name -> its entry
    objects: dict[Any, list[dict[str, Any]]] = field(default_factory=dict)  # image id -> annotations
    text: str = ""

    def line_of(self, annotation: Any) -> int | None:
        """The line on which an annotation states its id."""
        start = max(self.text.find('"annotations"'), 0)
        found = re.search(rf'"id"\s*:\s*{re.escape(json.dumps(annotation))}\b', self.text[start:])
        return None if found is None else self.text.count("\n", 0, start + found.start()) + 1


def read_coco(file: Path) -> CocoFile:
    """Read a JSON file. Raises DataError when it is no COCO instances file."""
    document = _document(file)
    parts = {key: _records(file, document, key) for key in ("images", "annotations", "categories")}
    categories = sorted(parts["categories"], key=lambda one: one["id"] if isinstance(one.get("id"), int) else -1)
    odd = next((one for one in categories if not isinstance(one.get("id"), int) or not isinstance(one.get("name"), str)), None)
    if odd is not None:
        raise DataError(str(file), f"the category {json.dumps(odd)[:60]} has no whole number 'id' and text 'name'", "Give every category both")
    names = tuple(one["name"] for one in categories)
    if len(set(names)) < len(names):
        raise DataError(str(file), "two categories have one name", "Give them different names")
    images = {one["file_name"]: one for one in parts["images"] if isinstance(one.get("file_name"), str) and "id" in one}
    if not images:
        raise DataError(str(file), "no entry of 'images' has 'id' and 'file_name'", "This is no COCO instances file; name another")
    objects = defaultdict(list)
    for one in parts["annotations"]:
        objects[_key(one.get("image_id"))].append(one)
    text = "" if not objects else read_regular(file, MAX_JSON_BYTES).decode("utf-8-sig")
    return CocoFile(str(file), names, {one["id"]: number for number, one in enumerate(categories)}, images, dict(objects), text)


def _document(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise DataError(str(file), f"is larger than {MAX_JSON_BYTES >> 30} GiB", "Divide it")
        document = json.loads(read_regular(file, MAX_JSON_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise DataError(str(file), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}", f"is not valid JSON ({error.msg.lower()})", "Write the file anew") from None
    except (UnicodeDecodeError, RecursionError):
        raise DataError(str(file), "is not valid JSON text", "Write the file anew") from None
    if not isinstance(document, dict):
        raise DataError(str(file), "holds no 'images', 'annotations' and 'categories'", "Name a COCO instances file")
    return document


def _records(file: Path, document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found = document.get(key)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise DataError(str(file), f"holds no list '{key}'", "Name a COCO instances file: 'images', 'annotations' and 'categories'")
    return found


def _key(image_id: Any) -> Any:
    return image_id if isinstance(image_id, int | str) else None


def reader(coco: CocoFile, root: str, clip_margin: float) -> Callable[[str, tuple[int, int]], Annotated]:
    """Reads the annotations of an image file below `root`."""
    by_file = {f"{root}/{name}": entry for name, entry in coco.images.items()}

    def read(image: str, size_wh: tuple[int, int]) -> Annotated:
        entry = by_file.get(image)
        return NOTHING if entry is None else read_image(coco, entry, size_wh, clip_margin)

    return read


def read_image(coco: CocoFile, entry: dict[str, Any], size_wh: tuple[int, int], clip_margin: float) -> Annotated:
    """The annotations of one entry of 'images'. `size_wh` is that of the image itself."""
    collector = Collector(coco.file, clip_margin)
    size = _size(entry, size_wh, collector)
    enlarged = float(np.prod(size_wh) / size.prod())
    for one in coco.objects.get(_key(entry["id"]), ()):
        _add(coco, collector, one, size, enlarged)
    return collector.done()


def _size(entry: dict[str, Any], size_wh: tuple[int, int], collector: Collector) -> np.ndarray:
    stated = entry.get("width"), entry.get("height")
    if not all(isinstance(side, int | float) and side > 0 for side in stated):
        return np.array(size_wh, np.float64)
    if stated != size_wh:
        text = f"says that {entry['file_name']} has {stated[0]} x {stated[1]} pixels, and it has {size_wh[0]} x {size_wh[1]}; boxes are shares of what it says"
        collector.found(None, "size", text, "Correct width and height, or turn the image", action="kept")
    return np.array(stated, np.float64)


def _add(coco: CocoFile, collector: Collector, one: dict[str, Any], size: np.ndarray, enlarged: float) -> None:
    """Take one annotation. Stated areas are brought to the pixels of the image, `enlarged` times what the entry says."""
    place = f"annotation {one.get('id')}"
    box = one.get("bbox")
    if not isinstance(box, list) or len(box) != BOX_NUMBERS or not all(_is_number(value) for value in box):
        collector.found(coco.line_of(one.get("id")), "annotation", f"{place} has no 'bbox' of four numbers", "Write [x, y, width, height]")
        return
    if one.get("category_id") not in coco.numbers:
        collector.found(coco.line_of(one.get("id")), "class", f"{place} is of category {one.get('category_id')!r}, which is not listed", "Add the category")
        return
    x, y, width, height = box
    corners = np.array([x, y, x + width, y + height], np.float64) / np.tile(size, 2)
    crowd = bool(one.get("iscrowd"))
    outline = None if crowd else _outline(one.get("segmentation"), size)
    if outline is not None and _overlap(box_xyxy(outline), corners) < MIN_AGREEMENT:
        text = f"the outline of {place} does not fit its box; the box counts"
        collector.found(coco.line_of(one.get("id")), "outline", text, "Correct 'segmentation' or 'bbox'", action="kept")
        outline = None
    before = len(collector.findings)
    area = one["area"] * enlarged if _is_number(one.get("area")) and one["area"] > 0 else np.nan
    shown = corners if outline is None else box_xyxy(outline)
    collector.add(None, coco.numbers[one["category_id"]], shown, outline=outline, ignored=crowd, area_px=area)
    found = collector.findings[before:]
    collector.findings[before:] = [replace(finding, line=coco.line_of(one.get("id")), text=f"{place}: {finding.text}") for finding in found]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _outline(segmentation: Any, size: np.ndarray) -> np.ndarray | None:
    """The parts of an object as one outline, normalised. (P, 2); None for run lengths and for what is no polygon"""
    if not isinstance(segmentation, list):
        return None
    parts = [np.array(part, np.float64).reshape(-1, 2) / size for part in segmentation if _is_polygon(part)]
    return joined(parts) if parts else None


def _is_polygon(part: Any) -> bool:
    return isinstance(part, list) and len(part) >= 2 * MIN_POINTS and len(part) % 2 == 0 and all(_is_number(value) for value in part)


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Several outlines as one: each hangs on the first by a bridge that is walked both ways. (P, 2) each -> (P', 2)"""
    whole = parts[0]
    for part in parts[1:]:
        apart = ((whole[:, None] - part[None]) ** 2).sum(axis=2)
        here, there = np.unravel_index(int(apart.argmin()), apart.shape)
        around = np.concatenate((part[there:], part[: there + 1]))
        whole = np.concatenate((whole[: here + 1], around, whole[here:]))
    return whole


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes as corners."""
    inner = (np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])).clip(0).prod()
    union = (one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod() - inner
    return float(inner / union) if union > 0 else 1.0
