# SPDX-License-Identifier: Apache-2.0
"""Pascal VOC: one XML file per image, with boxes in pixels and names of classes.

Difficult objects become regions to ignore.

The parser builds nothing by itself, follows no reference and takes what it needs: an XML file is data. Refused with
their line are a document type with entities or a source of its own, an encoding that is not of the list, deep nesting,
and long texts where a word is due.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from xml.parsers import expat

import numpy as np

from boxwright.data.formats.annotated import NOTHING, Annotated, Collector
from boxwright.data.labels.findings import Finding
from boxwright.data.labels.label_file import NO_LABELS
from boxwright.data.pixels.image_files import SUFFIXES
from boxwright.errors import DataError
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

MAX_XML_BYTES = 16 << 20  # a hundred thousand objects
MAX_DEPTH = 32
MAX_WORD = 1000  # characters of a name or a number
MAX_SIDE = 1 << 24  # pixels; a stated size beyond is none
SHOWN = 40  # characters of a name in a message
_PARTS, _PAGES = (
    (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16),
    (1250, 1251, 1252, 1253, 1254, 1255, 1256, 1257, 1258),
)
ENCODINGS = frozenset(
    (
        "utf-8",
        "utf8",
        "utf-16",
        "us-ascii",
        "ascii",
        *(f"iso-8859-{part}" for part in _PARTS),
        *(f"windows-{page}" for page in _PAGES),
    )
)  # one byte a character, or what the parser knows by itself
COORDINATES = ("xmin", "ymin", "xmax", "ymax")


class _RefusedError(Exception):
    """Why an XML file is not read."""


@dataclass(slots=True)
class VocObject:
    """One <object>. Values are texts as written."""

    line: int
    name: str = ""
    difficult: str = "0"
    corners: dict[str, str] | None = None


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
        self.length = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.XmlDeclHandler = _require_known_encoding
        self.parser.StartDoctypeDeclHandler = _require_plain_doctype
        self.parser.EntityDeclHandler = _refuse_entities

    def _start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.path.append(tag)
        self._begin()
        if len(self.path) > MAX_DEPTH:
            raise _RefusedError(f"elements are nested deeper than {MAX_DEPTH}")
        if self.path[1:] == ["object"]:
            self.file.objects.append(VocObject(self.parser.CurrentLineNumber))

    def _text(self, text: str) -> None:
        self.length += len(text)
        if self.length <= MAX_WORD:
            self.text.append(text)

    def _begin(self) -> None:
        self.text.clear()
        self.length = 0

    def _word(self) -> str:
        if self.length > MAX_WORD:
            raise _RefusedError(f"<{self.path[-1][:SHOWN]}> holds more than {MAX_WORD} characters")
        return "".join(self.text).strip()

    def _end(self, _tag: str) -> None:
        match self.path[1:]:
            case ["size", ("width" | "height") as key]:
                self.file.size[key] = self._word()
            case ["object", ("name" | "difficult") as key]:
                setattr(self.file.objects[-1], key, self._word())
            case ["object", "bndbox", key] if key in COORDINATES:
                one = self.file.objects[-1]
                one.corners = {**(one.corners or {}), key: self._word()}
        self._begin()
        self.path.pop()


def _require_known_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() not in ENCODINGS:
        raise _RefusedError(f"the encoding '{encoding[:SHOWN]}' is not read; save it as UTF-8")


def _require_plain_doctype(_name: str, system_id: str | None, public_id: str | None, has_internal_subset: int) -> None:
    if system_id is not None or public_id is not None or has_internal_subset:
        raise _RefusedError(
            "it declares a document type with entities or a source of its own, which are not allowed in data"
        )


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
    except UnicodeError:
        raise DataError(
            str(builder.parser.CurrentLineNumber), "holds text that is not whole characters of its encoding"
        ) from None
    return builder.file


def reader(
    numbers: dict[str, int], place: Callable[[str], str], clip_margin: float
) -> Callable[[str, tuple[int, int]], Annotated]:
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
    with np.errstate(over="ignore", invalid="ignore"):  # numbers far out are found by what comes of them
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
        stated = _number(voc.size.get("width", "0")), _number(voc.size.get("height", "0"))
    except ValueError:
        stated = -1.0, -1.0
    if not any(stated):
        return np.array(size_wh * 2, np.float64)
    if not all(1 <= side <= MAX_SIDE for side in stated):
        text = (
            f"states a size that is none; boxes are taken as shares of the {size_wh[0]} x {size_wh[1]} pixels "
            "of "
            "the image"
        )
        collector.found(None, "size", text, "Correct <size>", action="kept")
        return np.array(size_wh * 2, np.float64)
    if stated != size_wh:
        text = (
            f"says {stated[0]:g} x {stated[1]:g} pixels, and the image has {size_wh[0]} x {size_wh[1]}; boxes "
            "are "
            "taken as shares of what it says"
        )
        collector.found(None, "size", text, "Correct <size>, or turn the image", action="kept")
    return np.array(stated * 2, np.float64)


def _add(collector: Collector, one: VocObject, size: np.ndarray, numbers: dict[str, int]) -> None:
    try:
        corners = np.array([_number((one.corners or {})[key]) for key in COORDINATES]) / size
    except (KeyError, ValueError):
        collector.found(
            one.line,
            "not-a-number",
            f"object '{one.name[:SHOWN]}' has no box of four numbers",
            f"Write {', '.join(COORDINATES)}",
        )
        return
    if one.name not in numbers:
        collector.found(
            one.line, "class", f"there is no class '{one.name[:SHOWN]}'", "Add it to 'names', or name it under 'drop'"
        )
        return
    collector.add(one.line, numbers[one.name], corners, ignored=one.difficult not in {"0", ""})


def _number(word: str) -> float:
    """Raises ValueError."""
    if (
        not word.isascii() or "_" in word
    ):  # Python reads 1_0 as ten, and digits of every script; an annotation does not mean that
        raise ValueError(word)
    return float(word)


# -- listings


def images_of_list(file: Path, lines: Iterable[str]) -> list[Path]:
    """The images that a list of names in ImageSets/Main means.

    NAME, or NAME with a number behind it, of which -1 says 'not in it'.
    """
    folder = image_folder(file)
    by_stem = (
        {path.stem: path for path in sorted(folder.iterdir(), reverse=True) if path.suffix.lower() in SUFFIXES}
        if folder.is_dir()
        else {}
    )
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
