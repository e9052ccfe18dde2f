# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: one XML file per image, with boxes in pixels and names of classes. Difficult objects become regions to ignore.

The parser builds nothing by itself and refuses documents that declare entities: an XML file is data.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from xml.parsers import expat

import numpy as np

from boxwright.data.findings import Finding
from boxwright.data.formats.annotated import NOTHING, Annotated, Collector
from boxwright.data.images import SUFFIXES
from boxwright.data.labels import NO_LABELS
from boxwright.errors import DataError
from boxwright.system.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAX_XML_BYTES = 64 << 20
MAX_DEPTH = 32
COORDINATES = ("xmin", "ymin", "xmax", "ymax")


class _RefusedError(Exception):
    """Why an XML file is not read."""


@dataclass
class VocObject:
    """One <object>. Values are texts as written."""

    line: int
    name: str = ""
    difficult: str = "0"
    box: dict[str, str] = field(default_factory=dict)


@dataclass
class VocFile:
    """What matters of one XML file."""

    size: dict[str, str] = field(default_factory=dict)
    objects: list[VocObject] = field(default_factory=list)


class _Builder:
    """Follows the elements by their path from the root."""

    def __init__(self) -> None:
        self.file = VocFile()
        self.path: list[str] = []
        self.text: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.text.append
        self.parser.EntityDeclHandler = _refuse_entities

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.path.append(tag)
        self.text.clear()
        if len(self.path) > MAX_DEPTH:
            raise _RefusedError(f"elements are nested deeper than {MAX_DEPTH}")
        if self.path[1:] == ["object"]:
            self.file.objects.append(VocObject(self.parser.CurrentLineNumber))

    def _end(self, _tag: str) -> None:
        match self.path[1:]:
            case ["size", key]:
                self.file.size[key] = "".join(self.text).strip()
            case ["object", ("name" | "difficult") as key]:
                setattr(self.file.objects[-1], key, "".join(self.text).strip())
            case ["object", "bndbox", key]:
                self.file.objects[-1].box[key] = "".join(self.text).strip()
        self.text.clear()
        self.path.pop()


def _refuse_entities(*_declaration: object) -> None:
    raise _RefusedError("it declares entities, which are not allowed in data")


def parse_voc(content: bytes) -> VocFile:
    """Read an XML file's bytes. Raises DataError with the line."""
    builder = _Builder()
    try:
        builder.parser.Parse(content, True)
    except expat.ExpatError as error:
        raise DataError(str(error.lineno), f"is not well-formed XML ({expat.errors.messages[error.code]})") from None
    except _RefusedError as error:
        raise DataError(str(builder.parser.CurrentLineNumber), str(error)) from None
    return builder.file


def reader(numbers: dict[str, int], place: Callable[[str], str], clip_margin: float) -> Callable[[str, tuple[int, int]], Annotated]:
    """Reads the annotations of an image. `numbers` gives every class its number; `place` the XML file of an image."""
    return lambda image, size_wh: read_image(place(image), size_wh, numbers, clip_margin)


def read_image(file: str, size_wh: tuple[int, int], numbers: dict[str, int], clip_margin: float) -> Annotated:
    """The annotations in one XML file. `size_wh` is that of the image itself."""
    try:
        voc = _read(file)
    except FileNotFoundError:
        return NOTHING._replace(missing=True)
    except OSError as error:
        return _failed(file, None, "unreadable", (error.strerror or str(error)).lower())
    except DataError as error:
        return _failed(file, int(error.where), "annotation", error.what)
    collector = Collector(file, clip_margin)
    size = _size(voc, size_wh, collector)
    for one in voc.objects:
        _add(collector, one, size, numbers)
    return collector.done()


def _read(file: str) -> VocFile:
    try:
        content = read_regular(file, MAX_XML_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise DataError("1", f"is {error.strerror}") from None
        raise
    return parse_voc(content)


def _failed(file: str, line: int | None, rule: str, text: str) -> Annotated:
    finding = Finding(file, line, rule, "warning", text, "box dropped", "Write the file anew")
    return Annotated(replace(NO_LABELS, findings=(finding,)))


def _size(voc: VocFile, size_wh: tuple[int, int], collector: Collector) -> np.ndarray:
    """The size that the coordinates refer to: the stated one, if there is one."""
    try:
        stated = float(voc.size.get("width", 0)), float(voc.size.get("height", 0))
    except ValueError:
        stated = 0.0, 0.0
    if min(stated) <= 0:
        return np.array(size_wh * 2, np.float64)
    if stated != size_wh:
        text = f"says {stated[0]:g} x {stated[1]:g} pixels, and the image has {size_wh[0]} x {size_wh[1]}; boxes are taken as shares of what it says"
        collector.found(None, "size", text, "Correct <size>, or turn the image", action="kept")
    return np.array(stated * 2, np.float64)


def _add(collector: Collector, one: VocObject, size: np.ndarray, numbers: dict[str, int]) -> None:
    try:
        corners = np.array([float(one.box[key]) for key in COORDINATES]) / size
    except (KeyError, ValueError):
        collector.found(one.line, "not-a-number", f"object '{one.name}' has no box of four numbers", f"Write {', '.join(COORDINATES)}")
        return
    if one.name not in numbers:
        collector.found(one.line, "class", f"there is no class '{one.name}'", "Add it to 'names', or name it under 'drop'")
        return
    collector.add(one.line, numbers[one.name], corners, ignored=one.difficult not in {"0", ""})


# -- listings


def images_of_list(file: Path, lines: Iterable[str]) -> list[Path]:
    """The images that a list of names in ImageSets/Main means: NAME, or NAME with a number behind it, of which -1 says 'not in it'."""
    folder = image_folder(file)
    by_stem = {path.stem: path for path in sorted(folder.iterdir(), reverse=True) if path.suffix.lower() in SUFFIXES} if folder.is_dir() else {}
    found = []
    for line in lines:
        words = line.split()
        if words and words[1:] != ["-1"]:
            found.append(by_stem.get(words[0], folder / f"{words[0]}.jpg"))
    return found


def image_folder(list_file: Path) -> Path:
    """JPEGImages of the set that a list belongs to."""
    return list_file.parents[2] / "JPEGImages"


def class_names(files: Iterable[str], place: Callable[[str], str]) -> tuple[str, ...]:
    """Every class that the XML files of these images name, in alphabetical order."""
    names: set[str] = set()
    for file in files:
        try:
            names |= {one.name for one in _read(place(file)).objects}
        except (OSError, DataError):
            continue  # the scan names what is wrong with it
    return tuple(sorted(names))
