# SPDX-License-Identifier: Apache-2.0
"""The pickle instructions that checkpoints use, and how their arguments are read.

Any other is refused before its argument is looked at.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from boxwright.system.torch_archive.limits import Limits
from boxwright.system.torch_archive.nodes import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

# Code -> name, kind of argument: a struct format, or 'text4' (text after 4 bytes of length), 'bytes1', 'integer',
# 'lines', or none.
OPCODES: dict[int, tuple[str, str]] = {
    0x80: ("PROTO", "B"),
    0x95: ("FRAME", "<Q"),
    ord("."): ("STOP", ""),
    ord("("): ("MARK", ""),
    ord("N"): ("NONE", ""),
    0x88: ("NEWTRUE", ""),
    0x89: ("NEWFALSE", ""),
    ord("}"): ("EMPTY_DICT", ""),
    ord("]"): ("EMPTY_LIST", ""),
    ord(")"): ("EMPTY_TUPLE", ""),
    0x8F: ("EMPTY_SET", ""),
    ord("t"): ("TUPLE", ""),
    0x85: ("TUPLE1", ""),
    0x86: ("TUPLE2", ""),
    0x87: ("TUPLE3", ""),
    ord("s"): ("SETITEM", ""),
    ord("u"): ("SETITEMS", ""),
    ord("a"): ("APPEND", ""),
    ord("e"): ("APPENDS", ""),
    0x90: ("ADDITEMS", ""),
    ord("J"): ("BININT", "<i"),
    ord("K"): ("BININT1", "B"),
    ord("M"): ("BININT2", "<H"),
    ord("G"): ("BINFLOAT", ">d"),
    0x8A: ("LONG1", "integer"),
    ord("X"): ("BINUNICODE", "text4"),
    0x8C: ("SHORT_BINUNICODE", "text1"),
    ord("B"): ("BINBYTES", "bytes4"),
    ord("C"): ("SHORT_BINBYTES", "bytes1"),
    ord("q"): ("BINPUT", "B"),
    ord("r"): ("LONG_BINPUT", "<I"),
    0x94: ("MEMOIZE", ""),
    ord("h"): ("BINGET", "B"),
    ord("j"): ("LONG_BINGET", "<I"),
    ord("c"): ("GLOBAL", "lines"),
    0x93: ("STACK_GLOBAL", ""),
    ord("R"): ("REDUCE", ""),
    0x81: ("NEWOBJ", ""),
    ord("b"): ("BUILD", ""),
    ord("Q"): ("BINPERSID", ""),
}
CODES = {name: bytes([code]) for code, (name, _) in OPCODES.items()}

_LONGEST_LINE = 256


class Program:
    """The bytes of a program, and how far they were read."""

    def __init__(self, content: bytes | memoryview, limits: Limits, at: int = 0) -> None:
        self.content, self.limits, self.at = content, limits, at

    def take(self, count: int) -> bytes:
        """The next bytes."""
        begin = self.at
        self.at += count
        taken = bytes(self.content[begin : self.at])
        if len(taken) != count:
            raise RefusedError("its program is cut short")
        return taken

    def code(self) -> int:
        """The next instruction."""
        if self.at >= len(self.content):
            raise RefusedError("its program has no end")
        self.at += 1
        return self.content[self.at - 1]

    def argument_reader(self, kind: str) -> Callable[[], Any]:
        """What reads an argument of a kind."""
        if kind[0] in "<>B":
            form = struct.Struct(kind)
            return lambda: form.unpack(self.take(form.size))[0]
        return {
            "integer": self._integer,
            "lines": self._lines,
            "text1": lambda: self._text(self.take(1)[0]),
            "text4": lambda: self._text(int.from_bytes(self.take(4), "little")),
            "bytes1": lambda: self.take(self.take(1)[0]),
            "bytes4": lambda: self._bytes(int.from_bytes(self.take(4), "little")),
        }[kind]

    def _integer(self) -> int:
        count = self.take(1)[0]
        if count > self.limits.integer_bytes:
            raise RefusedError(f"it holds a whole number of {count} bytes")
        return int.from_bytes(self.take(count), "little", signed=True)

    def _bytes(self, count: int) -> bytes:
        if count > self.limits.text_bytes:
            raise RefusedError(f"it holds a text of {count} bytes")
        return self.take(count)

    def _text(self, count: int) -> str:
        return self._bytes(count).decode("utf-8")

    def _lines(self) -> tuple[str, str]:
        return self._line(), self._line()

    def _line(self) -> str:
        window = bytes(self.content[self.at : self.at + _LONGEST_LINE])
        end = window.find(b"\n")
        if end < 0:
            raise RefusedError("it holds a name without an end")
        self.at += end + 1
        return window[:end].decode("ascii")
