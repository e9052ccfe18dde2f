# SPDX-License-Identifier: Apache-2.0
"""The text of a traced network as a tree: exactly what the exporter writes, and nothing else of the language.

A class has attributes, which are skipped, and methods named forward, forward1, …; a method binds each name once and
ends with what it returns. Anything else is refused, so nothing has to be known about the rest of the language.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_CODE_CHARACTERS = 4 << 20  # all of a file; the largest network of the family has 0.3 MB
MAX_NUMBER = 1e19
MAX_NESTING = 120  # calls in calls; a row of blocks is one call in another
_TOKEN = re.compile(
    r"(?P<number>\d{1,19}(?![\w.])|\d{1,19}\.\d{0,19}(?:e[+-]?\d{1,3})?(?![\w.]))"
    r'|(?P<name>[A-Za-z_]\w{0,127})(?!\w)|(?P<text>"[\w.\-]{0,64}")|(?P<sign>->|[()\[\],=:.\-])|(?P<space> '
    r"+)|(?P<line>\n)",
    re.ASCII,
)
_FORWARD = re.compile(r"forward\d{0,6}", re.ASCII)
_CONSTANT = re.compile(r"c\d{1,6}", re.ASCII)
_LITERALS = {"True": True, "False": False, "None": None}
RESERVED = frozenset(
    {
        "torch",
        "ops",
        "int",
        "annotate",
        "getattr",
        "CONSTANTS",
        "number",
        "self",
        "class",
        "def",
        "return",
        "Module",
        *_LITERALS,
    }
)


class ForeignError(Exception):
    """A file that is not what the exporter writes, and why, in a few words."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a method bound, or was given."""

    text: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A part of a module."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """One of the file's constants."""

    name: str


@dataclass(frozen=True, slots=True)
class Call:
    """An operator, by its whole name."""

    operator: str
    arguments: tuple[Any, ...]
    words: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Forward:
    """A method of a part."""

    owner: Any
    method: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Method:
    """Parameters without self; statements as (names, value); what is returned."""

    parameters: tuple[str, ...]
    statements: tuple[tuple[tuple[str, ...], Any], ...]
    answer: Any


Classes = dict[str, dict[str, Method]]  # methods by whole class name


def classes_of(text: str, module: str) -> Classes:
    """The classes of one source file. Raises ForeignError."""
    lines = _lines(text)
    found: Classes = {}
    at = 0
    while at < len(lines):
        name = _class_name(lines[at])
        at += 1
        methods: dict[str, Method] = {}
        while at < len(lines) and lines[at].indent:
            line = lines[at]
            at += 1
            if line.tokens[0] != "def":
                _require(
                    line.indent == _MEMBER and line.tokens[0] not in RESERVED and "(" not in line.tokens,
                    "has a statement where none belongs",
                )
                continue
            body = []
            while at < len(lines) and lines[at].indent > _MEMBER:
                body.append(lines[at])
                at += 1
            method, what = _method(line, body)
            _require(method not in methods, "has two methods of one name")
            methods[method] = what
        _require(f"{module}.{name}" not in found, "has two classes of one name")
        found[f"{module}.{name}"] = methods
    return found


_MEMBER, _STATEMENT = 2, 4  # spaces before them


@dataclass(frozen=True, slots=True)
class _Line:
    indent: int
    tokens: list[str]


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise ForeignError(f"its program {otherwise}")


def _lines(text: str) -> list[_Line]:
    """Tokens by line; a line break inside brackets is none."""
    lines: list[_Line] = []
    tokens: list[str] = []
    at, indent, depth = 0, 0, 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ForeignError(f"its program holds {text[at : at + 12]!r}, which no network of this program needs")
        kind, word, at = match.lastgroup, match.group(), match.end()
        if kind == "space":
            indent = len(word) if not tokens else indent
        elif kind == "line":
            if depth == 0:
                lines += [_Line(indent, tokens)] if tokens else []
                tokens, indent = [], 0
        else:
            depth += (word in "([") - (word in ")]") if kind == "sign" and word != "->" else 0
            _require(0 <= depth <= MAX_NESTING, "is nested too deeply")
            tokens.append(word)
    _require(not tokens and depth == 0, "is cut short")
    return lines


def _class_name(line: _Line) -> str:
    match line.tokens:
        case ["class", name, "(", "Module", ")", ":"] if (
            line.indent == 0 and name.isidentifier() and name not in RESERVED
        ):
            return name
    raise ForeignError("its program holds something else than classes of modules")


def _method(line: _Line, body: list[_Line]) -> tuple[str, Method]:
    """`def forward(self: TYPE, a: TYPE) -> TYPE:` and what follows. Types are skipped."""
    tokens = line.tokens
    name = tokens[1] if len(tokens) > 1 else ""
    if not _FORWARD.fullmatch(name):
        raise ForeignError(f"its program has a method {name[:40]!r}")
    _require(
        line.indent == _MEMBER
        and tokens[2:5] == ["(", "self", ":"]
        and tokens[-1] == ":"
        and tokens.count("(") == tokens.count(")") == 1,
        "is damaged",
    )
    inside = tokens[3 : tokens.index(")")]
    parameters = tuple(word for word, sign in itertools.pairwise(inside) if sign == ":")[1:]
    _require("=" not in inside, "gives a parameter a value")
    bound = {"self"}
    _bind(parameters, bound)
    statements = [_statement(one, bound) for one in body]
    _require(
        statements and all(names is not None for names, _ in statements[:-1]) and statements[-1][0] is None,
        "has a method that does not end with its answer",
    )
    return name, Method(parameters, tuple((names or (), value) for names, value in statements[:-1]), statements[-1][1])


def _statement(line: _Line, bound: set[str]) -> tuple[tuple[str, ...] | None, Any]:
    tokens = line.tokens
    _require(line.indent == _STATEMENT, "has a statement where none belongs")
    if tokens[0] == "return":
        return None, _Reader(tokens, 1, bound).whole()
    _require("=" in tokens, "has a statement without a result")
    end = tokens.index("=")
    names, commas = tuple(tokens[0:end:2]), tokens[1:end:2]
    _require(end == 1 or (end % 2 == 0 and {*commas} == {","}), "has a statement without a result")
    value = _Reader(tokens, end + 1, bound).whole()
    _bind(names, bound)
    return names, value


def _bind(names: tuple[str, ...], bound: set[str]) -> None:
    for name in names:
        if not name.isidentifier() or name in RESERVED or name in bound:
            raise ForeignError(f"its program gives {name[:40]!r} a meaning of its own, or two")
        bound.add(name)


class _Reader:
    """Reads one expression from tokens."""

    def __init__(self, tokens: list[str], at: int, bound: set[str]) -> None:
        self.tokens, self.at, self.bound = tokens, at, bound
        self.beginnings: dict[str, Callable[[], Any]] = {
            "(": self._forward,
            "[": lambda: self._until("]"),
            "-": lambda: -self._number(self._take()),
            "torch": self._operator,
            "ops": self._to_tensor,
            "int": lambda: self._call("int"),
            "annotate": self._annotated,
            "getattr": self._part,
            "CONSTANTS": self._constant,
        }

    def whole(self) -> Any:
        """All that is left is one expression."""
        value = self._value()
        _require(self.at == len(self.tokens), "has more in a statement than belongs there")
        return value

    def _take(self, *expected: str) -> str:
        word = self.tokens[self.at] if self.at < len(self.tokens) else None
        self.at += 1
        if word is None or (expected and word not in expected):
            raise ForeignError(f"its program has {(word or 'no more')[:40]!r} where something else belongs")
        return word

    def _sees(self, token: str) -> bool:
        return self.at < len(self.tokens) and self.tokens[self.at] == token

    def _value(self) -> Any:
        token = self._take()
        if token in _LITERALS:
            return _LITERALS[token]
        if token in self.beginnings:
            return self.beginnings[token]()
        if token[0] == '"':
            return token[1:-1]
        return self._number(token) if token[0].isdigit() else self._name(token)

    def _operator(self) -> Call:
        self._take(".")
        return self._call(f"torch.{self._take()}")

    def _to_tensor(self) -> Call:
        return self._call("".join(("ops", *(self._take(word) for word in (".", "prim", ".", "NumToTensor")))))

    def _annotated(self) -> Call:
        for word in ("(", "number", ","):
            self._take(word)
        value = self._value()
        self._take(")")
        return Call("annotate", (value,))

    def _constant(self) -> Constant:
        self._take(".")
        return Constant(self._matching(_CONSTANT))

    def _name(self, token: str) -> Any:
        if token not in self.bound:
            raise ForeignError(f"its program uses {token[:40]!r}, which it did not make")
        value: Any = Name(token)
        if self._sees("."):
            self._take(".")
            value = Attribute(value, self._take())
            _require(value.name.isidentifier() and not self._sees("("), f"calls {value.name[:40]!r}")
        return value

    def _forward(self) -> Forward:
        owner = self._value()
        self._take(")"), self._take(".")
        method = self._matching(_FORWARD)
        self._take("(")
        return Forward(owner, method, tuple(self._until(")")))

    def _part(self) -> Attribute:
        self._take("(")
        owner = self._value()
        self._take(",")
        name = self._take()
        self._take(")")
        _require(name[0] == '"', "names a part by something else than text")
        return Attribute(owner, name[1:-1])

    def _call(self, operator: str) -> Call:
        self._take("(")
        values, words = [], []
        while not self._sees(")"):
            if self.at + 1 < len(self.tokens) and self.tokens[self.at + 1] == "=":
                word = self._take()
                self._take("=")
                words.append((word, self._value()))
            else:
                _require(not words, "has a call that is damaged")
                values.append(self._value())
            if not self._sees(")"):
                self._take(",")
        self._take(")")
        return Call(operator, tuple(values), tuple(words))

    def _until(self, closing: str) -> list[Any]:
        values = []
        while not self._sees(closing):
            values.append(self._value())
            if not self._sees(closing):
                self._take(",")
        self._take(closing)
        return values

    def _matching(self, pattern: re.Pattern[str]) -> str:
        token = self._take()
        _require(pattern.fullmatch(token), f"has {token[:40]!r} where it does not belong")
        return token

    def _number(self, token: str) -> int | float:
        _require(token[0].isdigit(), f"has {token[:40]!r} where it does not belong")
        number = float(token) if "." in token else int(token)
        _require(number < MAX_NUMBER, f"has the number {token}")
        return number
