# SPDX-License-Identifier: Apache-2.0
"""YAML that strangers wrote, read as data: bounded, without tags, without duplicate keys, with the line of every value.

Scalars follow the common sense of YAML 1.2 where 1.1 surprises: 1e-3 is a number, 010 and 12:30 are text.
"""

from __future__ import annotations

import errno
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from boxwright.errors import UserError
from boxwright.paths import read_regular

if TYPE_CHECKING:
    from pathlib import Path

Address: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 4 << 20  # the names of every class there is stay far below this
MAX_NODES = 100_000  # as composed, and again as visited, where an alias counts every time: an alias bomb ends here
MAX_CHARACTERS = 4 * MAX_BYTES  # of all scalars as visited: a long text that is named again and again ends here
MAX_DEPTH = 40

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_HALF = re.compile("[\ud800-\udfff]")  # of a pair; an escape can write it, a file cannot hold it
_WORDS = {
    "": None,
    "~": None,
    "null": None,
    "true": True,
    "yes": True,
    "on": True,
    "false": False,
    "no": False,
    "off": False,
}
_NOT_FINITE = {".nan": math.nan, ".inf": math.inf, "+.inf": math.inf, "-.inf": -math.inf}


@dataclass(frozen=True)
class Document:
    """A parsed file: its value, and for every address in it the line and (for scalars) the text as written."""

    name: str
    value: Any
    lines: dict[Address, int] = field(default_factory=dict)
    texts: dict[Address, str] = field(default_factory=dict)

    def place(self, *address: str | int) -> str:
        """`FILE:LINE` of the value at this address, or just the file when the address is not in it."""
        line = self.lines.get(address)
        return self.name if line is None else f"{self.name}:{line}"

    def mapping(self) -> dict[str, Any]:
        """The value, which has to be a mapping with text keys."""
        if not isinstance(self.value, dict):
            kind = "empty" if self.value is None else f"a {_kind(self.value)}, not 'key: value' lines"
            raise UserError(self.name, f"the file is {kind}", "Write one 'key: value' per line")
        return self.value


def read_yaml(path: Path) -> Document:
    """Read one YAML file. Raises UserError with file and line for everything that is wrong with it."""
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        if error.errno == errno.EFBIG:
            text = f"larger than {MAX_BYTES >> 20} MiB"
            raise UserError(str(path), text, "This is no settings file; check the path") from None
        raise UserError(
            str(path), f"cannot be read ({(error.strerror or str(error)).lower()})", "Check the path"
        ) from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}", "is not UTF-8 text", "Save the file as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str) -> Document:
    """Parse YAML text; `name` is what errors call it."""
    try:
        root = yaml.compose(text, Loader=_bounded(name))
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, name, error) from None
    except yaml.YAMLError as error:
        raise UserError(name, " ".join(str(error).split()), "Only printable text can stand here") from None
    except (ValueError, OverflowError):  # of the parser: an escape beyond Unicode, a version of thousands of digits
        raise UserError(
            name, "holds a number or an escape that stands for nothing", "Check the words that begin with '\\' or '%'"
        ) from None
    document = Document(name, None)
    return Document(name, None if root is None else _Builder(document).value(root, ()), document.lines, document.texts)


def _bounded(name: str) -> type[yaml.SafeLoader]:
    """A loader that ends while it reads, before the whole file has become nodes."""

    class Bounded(yaml.SafeLoader):
        nodes = 0
        depth = 0

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            self.nodes += 1
            self.depth += 1
            if self.nodes > MAX_NODES or self.depth > MAX_DEPTH + 1:
                raise UserError(
                    f"{name}:{self.line + 1}", "holds too many or too deeply nested values", "Flatten or divide it"
                )
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

    return Bounded


def _syntax_error(text: str, name: str, error: yaml.MarkedYAMLError) -> UserError:
    mark = error.problem_mark or error.context_mark
    line = 0 if mark is None else mark.line + 1
    place = f"{name}:{line}" if line else name
    rows = text.splitlines()
    if 0 < line <= len(rows) and re.match(r" *\t", rows[line - 1]):
        return UserError(place, "the line is indented with a tab", "YAML wants blanks; replace the tab")
    reason = " ".join((error.problem or "is not YAML").split())
    return UserError(
        place, f"is not valid YAML ({reason})", "Check the colon and the indentation here and on the line above"
    )


def _kind(value: object) -> str:
    return {list: "list", dict: "mapping", str: "text", bool: "yes/no value", int: "number", float: "number"}.get(
        type(value), "empty value"
    )


class _Builder:
    """Turns composed nodes into plain values, noting lines and texts, within the bounds."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.visits = 0
        self.characters = 0

    def value(self, node: yaml.Node, address: Address) -> Any:
        line = node.start_mark.line + 1
        self.visits += 1
        if self.visits > MAX_NODES or len(address) > MAX_DEPTH:
            raise UserError(
                f"{self.document.name}:{line}",
                "holds too many or too deeply nested values",
                "Remove the repeated aliases",
            )
        self.document.lines[address] = line
        if isinstance(node, yaml.ScalarNode):
            self._check_tag(node, ("null", "bool", "int", "float", "str", "timestamp", "merge"))
            self._check_text(node)
            self.document.texts[address] = node.value
            return scalar(node.value) if node.style is None else node.value
        if isinstance(node, yaml.SequenceNode):
            self._check_tag(node, ("seq",))
            return [self.value(item, (*address, i)) for i, item in enumerate(node.value)]
        self._check_tag(node, ("map",))
        return self._mapping(node, address)

    def _mapping(self, node: yaml.Node, address: Address) -> dict[Any, Any]:
        result: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            place = f"{self.document.name}:{key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                raise UserError(place, "a key is a list or mapping", "Keys are plain words or numbers")
            self._check_text(key_node)
            key = scalar(key_node.value) if key_node.style is None else key_node.value
            key = key if isinstance(key, int) and not isinstance(key, bool) else key_node.value
            if key in result:
                first = self.document.lines[(*address, key)]
                raise UserError(place, f"key '{key}' stands twice (first in line {first})", "Keep one of them")
            result[key] = self.value(value_node, (*address, key))
            self.document.lines[(*address, key)] = key_node.start_mark.line + 1
        return result

    def _check_text(self, node: yaml.ScalarNode) -> None:
        """Refuse characters that no name of a file or class can hold.

        And more text than a file can say without aliases.
        """
        self.characters += len(node.value)
        place = f"{self.document.name}:{node.start_mark.line + 1}"
        if self.characters > MAX_CHARACTERS:
            raise UserError(place, "repeats too long a text too often", "Remove the repeated aliases")
        if "\0" in node.value or _HALF.search(node.value):
            raise UserError(place, "holds a NUL or half a character", "Remove the escape")

    def _check_tag(self, node: yaml.Node, allowed: tuple[str, ...]) -> None:
        prefix = "tag:yaml.org,2002:"
        if node.tag in {"!", *(prefix + name for name in allowed)}:
            return
        place = f"{self.document.name}:{node.start_mark.line + 1}"
        raise UserError(
            place,
            f"the tag '{node.tag.replace(prefix, '!!')}' is not allowed",
            "Files are data: remove the tag, nothing is run",
        )


def scalar(text: str) -> bool | int | float | str | None:
    """The plain value of an unquoted word."""
    lowered = text.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    if lowered in _NOT_FINITE:
        return _NOT_FINITE[lowered]
    if _INTEGER.fullmatch(text) and len(text) <= 18:  # noqa: PLR2004 -- what fits in 64 bits; longer digits are text
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not re.fullmatch(r"[-+]?[0-9]+", text) else text
