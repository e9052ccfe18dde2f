# SPDX-License-Identifier: Apache-2.0
"""The lists at the top of a large JSON document, one element at a time.

A file takes the memory of one element, and each knows its line.

Refused with file and line: what is no JSON, a key that stands twice, nesting and numbers beyond what the parser takes.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.errors import DataError
from boxwright.paths import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

MAX_JSON_BYTES = 4 << 30
MAX_ELEMENT = 16 << 20  # characters: an outline of a million points
BLOCK = 1 << 20  # bytes read at once
LONGEST_TOKEN = 16  # characters of the longest word or escape of JSON, which a block may end within

_BLANKS = re.compile(r"[ \t\n\r]*")


class Element(NamedTuple):
    """One value under a key at the top.

    `number` is its place in the list; None: the key itself, before its elements.
    """

    key: str
    number: int | None
    line: int
    value: Any


class _TwiceError(Exception):
    """The key that stands twice in one mapping."""


def elements(file: Path, wanted: frozenset[str]) -> Iterator[Element]:
    """Every wanted key at the top with its kind (`list` or another type) as value.

    And after it each element of its list. Raises DataError.
    """
    try:
        if file.stat().st_size > MAX_JSON_BYTES:
            raise DataError(str(file), f"is larger than {MAX_JSON_BYTES >> 30} GiB", "Divide it")
        with open_regular(file) as stream:
            yield from _Reader(str(file), stream).top(wanted)
    except OSError as error:
        raise DataError(
            str(file), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _TwiceError(
            next(key for number, key in enumerate(keys) if key in keys[:number]) if len(keys) < 1000 else ""  # noqa: PLR2004 -- to name it
        )
    return found


class _Reader:
    """A window that moves over the text.

    `at` is where reading goes on, `line` that of the place up to which lines are counted.
    """

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name, self.stream = name, stream
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.decode = json.JSONDecoder(object_pairs_hook=_mapping).raw_decode
        self.text, self.at, self.counted, self.line, self.ended = "", 0, 0, 1, False

    # -- the document

    def top(self, wanted: frozenset[str]) -> Iterator[Element]:
        if self._next() != "{":
            self._value(self._here())
            raise DataError(
                self.name, "holds no 'images', 'annotations' and 'categories'", "Name a COCO instances file"
            )
        seen: set[str] = set()
        for _ in self._members("{", "}"):
            key, line = self._key(), self._here()
            if key in seen:
                raise self._fault(line, f"the key '{key[:40]}' stands twice")
            seen.add(key)
            opening = self._next()
            if key in wanted:
                yield Element(key, None, line, list if opening == "[" else type(None))
            if opening not in {"[", "{"}:
                self._value(line)
                continue
            for number, _ in enumerate(self._members(opening, "]" if opening == "[" else "}")):
                if opening == "{":
                    self._key()
                self._next()
                line = self._here()
                value = self._value(line)
                if key in wanted and opening == "[":
                    yield Element(key, number, line, value)
        if self._next():
            raise self._fault(self._here(), "is not valid JSON (text behind its end)")

    def _members(self, opening: str, closing: str) -> Iterator[None]:
        """Stops before each member of a list or mapping, up to the end of it."""
        self.at += len(opening)
        if self._next() == closing:
            self.at += 1
            return
        while True:
            yield
            mark = self._next()
            if mark not in {",", closing}:
                raise self._fault(self._here(), f"is not valid JSON (a ',' or '{closing}' is missing)")
            self.at += 1
            if mark == closing:
                return

    def _key(self) -> str:
        if self._next() != '"':
            raise self._fault(self._here(), "is not valid JSON (a key in quotes is missing)")
        key: str = self._value(self._here())
        if self._next() != ":":
            raise self._fault(self._here(), "is not valid JSON (a ':' is missing)")
        self.at += 1
        return key

    # -- the text

    def _next(self) -> str:
        """The next character that is no blank, which is where reading goes on; '' at the end."""
        while True:
            match = _BLANKS.match(self.text, self.at)
            self.at = self.at if match is None else match.end()
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self._more(BLOCK)

    def _value(self, line: int) -> Any:
        """The value that begins here."""
        while True:
            value, end = self._tried(line)
            if end < len(self.text) or (self.ended and end > self.at):
                self.at = end
                return value
            self._more(max(BLOCK, len(self.text) - self.at))
            if len(self.text) - self.at > MAX_ELEMENT + BLOCK:
                raise self._fault(line, f"one entry is longer than {MAX_ELEMENT >> 20} MiB")

    def _tried(self, line: int) -> tuple[Any, int]:
        """The value and where it ends: at the end of the window when more of the file has to be seen."""
        try:
            return self.decode(self.text, self.at)
        except json.JSONDecodeError as error:
            if self.ended or (error.pos < len(self.text) - LONGEST_TOKEN and not error.msg.startswith("Unterminated")):
                raise self._fault_at(error.pos, error.msg.lower()) from None
            return None, len(self.text)
        except _TwiceError as error:
            raise self._fault(line, f"the key '{str(error)[:40]}' stands twice in one entry") from None
        except RecursionError:
            raise self._fault(line, "is not valid JSON text (it is nested too deeply)") from None
        except ValueError:
            raise self._fault(line, "holds a whole number of thousands of digits") from None

    def _more(self, count: int) -> None:
        self._here()
        content = self.stream.read(count)
        self.ended = not content
        try:
            self.text = self.text[self.at :] + self.decoder.decode(content, final=self.ended)
        except UnicodeDecodeError:
            raise DataError(self.name, "is not valid JSON text, which is UTF-8", "Write the file anew") from None
        self.at = self.counted = 0

    def _here(self) -> int:
        """The line on which reading goes on."""
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def _fault_at(self, place: int, reason: str) -> DataError:
        return self._fault(self._here() + self.text.count("\n", self.at, place), f"is not valid JSON ({reason})")

    def _fault(self, line: int, text: str) -> DataError:
        return DataError(f"{self.name}:{line}", text, "Write the file anew")
