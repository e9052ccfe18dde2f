# SPDX-License-Identifier: Apache-2.0
"""What is in an ONNX file, read from its bytes by a reader of our own before the runtime sees them.

Only the parts of the format that the exporter writes are known: a graph without graphs inside, numbers inside the file,
operators of the standard. Any other part, also one that the runtime might skip, is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from boxwright.system.graphs.graph import FEW, Graph, GraphNode, Operand
from boxwright.system.graphs.onnx_operations import KINDS, RULES
from boxwright.system.graphs.operations import width_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = (2 << 30) - 1  # what the format itself allows
MAX_PARTS = 1_000_000  # the largest network of the family has a tenth
MAX_NODES = 50_000
_WHOLE, _BYTES, _SHORT = 0, 2, 5  # how the format writes a part
# Parts of each message by number: name, and how they may be written. A name in capitals is a message.
_PARTS: dict[str, dict[int, tuple[str, tuple[int, ...]]]] = {
    "MODEL": {
        1: ("version", (_WHOLE,)),
        **dict.fromkeys((2, 3, 4, 6), ("text", (_BYTES,))),
        5: ("model_version", (_WHOLE,)),
        7: ("GRAPH", (_BYTES,)),
        8: ("OPSET", (_BYTES,)),
        14: ("WORD", (_BYTES,)),
    },
    "OPSET": {1: ("domain", (_BYTES,)), 2: ("version", (_WHOLE,))},
    "WORD": {1: ("key", (_BYTES,)), 2: ("value", (_BYTES,))},
    "GRAPH": {
        1: ("NODE", (_BYTES,)),
        **dict.fromkeys((2, 10), ("text", (_BYTES,))),
        5: ("TENSOR", (_BYTES,)),
        11: ("INPUT", (_BYTES,)),
        12: ("OUTPUT", (_BYTES,)),
        13: ("notes", (_BYTES,)),
    },
    "INPUT": {1: ("name", (_BYTES,)), 2: ("kind", (_BYTES,)), 3: ("text", (_BYTES,))},
    "OUTPUT": {1: ("name", (_BYTES,)), 2: ("kind", (_BYTES,)), 3: ("text", (_BYTES,))},
    "NODE": {
        1: ("inputs", (_BYTES,)),
        2: ("outputs", (_BYTES,)),
        **dict.fromkeys((3, 6), ("text", (_BYTES,))),
        4: ("operator", (_BYTES,)),
        5: ("ATTRIBUTE", (_BYTES,)),
        7: ("domain", (_BYTES,)),
    },
    "ATTRIBUTE": {
        1: ("name", (_BYTES,)),
        2: ("float", (_SHORT,)),
        3: ("number", (_WHOLE,)),
        4: ("words", (_BYTES,)),
        5: ("TENSOR", (_BYTES,)),
        7: ("floats", (_BYTES, _SHORT)),
        8: ("numbers", (_BYTES, _WHOLE)),
        13: ("text", (_BYTES,)),
        20: ("kind", (_WHOLE,)),
    },
    "TENSOR": {
        1: ("sides", (_BYTES, _WHOLE)),
        2: ("kind", (_WHOLE,)),
        8: ("name", (_BYTES,)),
        9: ("content", (_BYTES,)),
        12: ("text", (_BYTES,)),
    },
}
# Parts that may stand several times in a message; any other one would be put together by one reader, or replaced.
_REPEATED = frozenset(
    {"text", "inputs", "outputs", "sides", "numbers", "floats", "notes", "OPSET", "WORD", "NODE", "ATTRIBUTE"}
)
_OPSETS = range(13, 18)  # what `boxwright export` writes; in these the operators on the list mean the same
_ATTRIBUTES = {1: "float", 2: "number", 3: "words", 4: "TENSOR", 6: "floats", 7: "numbers"}  # by kind


class ForeignGraphError(Exception):
    """A file that is not what the exporter writes, and why, in a few words."""


@dataclass
class OnnxContents:
    """Words about the file, its floating numbers by name, and its graph."""

    words: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)


def contents_of(content: bytes) -> OnnxContents:
    """What a file holds. Raises ForeignGraphError."""
    if len(content) > MAX_BYTES:
        raise ForeignGraphError("it is longer than the format allows")
    reader = _Reader(memoryview(content))
    try:
        reader.message("MODEL", 0, len(content))
    except (UnicodeDecodeError, IndexError):
        raise ForeignGraphError("it is damaged") from None
    if not reader.found.graph.nodes:
        raise ForeignGraphError("it holds no graph")
    return reader.found


class _Reader:
    def __init__(self, content: memoryview) -> None:
        self.content, self.found, self.count = content, OnnxContents(), 0

    def message(self, kind: str, begin: int, end: int) -> dict[str, Any]:
        """The parts of a message by name, those that may stand several times as lists."""
        parts: dict[str, Any] = {}
        for name, place in self._parts(kind, begin, end):
            value = place
            if name.isupper():
                value = self.message(name, *place)
                if name == "TENSOR":
                    value = self._tensor(value)
                elif name == "ATTRIBUTE":
                    value = self._attribute(value)
            elif name in {"sides", "numbers"} and type(place) is tuple:
                parts[name] = [*parts.get(name, []), *self._packed(*place)]
                continue
            else:
                self._require_allowed(name, place)
            if name in _REPEATED or (kind == "GRAPH" and name.isupper()):
                parts.setdefault(name, []).append(value)
            elif name in parts:
                raise ForeignGraphError("it says something twice")
            else:
                parts[name] = value
        self._keep(kind, parts)
        return parts

    def _keep(self, kind: str, parts: dict[str, Any]) -> None:
        """Put a message that was read to where it belongs."""
        graph = self.found.graph
        if kind == "WORD":
            self.found.words[self._text(parts.get("key", (0, 0)))] = self._text(parts.get("value", (0, 0)))
        elif kind == "OPSET" and parts.get("version") not in _OPSETS:
            raise ForeignGraphError(f"its operators are not those of version {_OPSETS[0]} to {_OPSETS[-1]}")
        elif kind == "NODE":
            if len(graph.nodes) >= MAX_NODES or "operator" not in parts:
                raise ForeignGraphError("its graph is longer than that of a network, or damaged")
            attributes = dict(parts.get("ATTRIBUTE", ()))
            if len(attributes) != len(parts.get("ATTRIBUTE", ())):
                raise ForeignGraphError("it says something twice")
            inputs, outputs = (tuple(map(self._text, parts.get(name, ()))) for name in ("inputs", "outputs"))
            graph.nodes.append(GraphNode(self._text(parts["operator"]), inputs, outputs, attributes))
        elif kind == "GRAPH":
            graph.stored = dict(parts.get("TENSOR", ()))
            if len(graph.stored) != len(parts.get("TENSOR", ())):
                raise ForeignGraphError("it says something twice")
            graph.inputs, graph.outputs = (
                [self._text(one.get("name", (0, 0))) for one in parts.get(name, ())] for name in ("INPUT", "OUTPUT")
            )
            graph.inputs = [name for name in graph.inputs if name not in graph.stored]

    def _attribute(self, parts: dict[str, Any]) -> tuple[str, Any]:
        """Name and value; the value is where the kind says. Floating ones have no part in sizes."""
        wanted = _ATTRIBUTES.get(parts.get("kind", 0))
        if wanted is None or "name" not in parts:
            raise ForeignGraphError("it has an attribute of another kind than a network's")
        value = parts.get(wanted, [] if wanted == "numbers" else None)
        if wanted == "number":
            value = _signed(value or 0)
        elif wanted == "numbers":
            value = [_signed(number) for number in value or ()]
        elif wanted == "words":
            value = bytes(self.content[slice(*value)]) if value else b""
        elif wanted == "TENSOR" and value is not None:
            value = value[1]
        return self._text(parts["name"]), value

    def _require_allowed(self, name: str, value: Any) -> None:
        if name == "operator" and self._text(value) not in RULES:
            raise ForeignGraphError(
                f"its graph has the operator {self._text(value)[:60]!r}, which no network of this program needs"
            )
        if name == "domain" and self._text(value):
            raise ForeignGraphError(
                f"its graph has operators of {self._text(value)[:60]!r}, which are not in the standard"
            )

    def _parts(self, kind: str, begin: int, end: int) -> Iterator[tuple[str, Any]]:
        known = _PARTS[kind]
        at = begin
        while at < end:
            self.count += 1
            if self.count > MAX_PARTS:
                raise ForeignGraphError("it has more parts than a network")
            tag, at = self._whole(at, end)
            name, ways = known.get(tag >> 3, ("", ()))
            way = tag & 7
            if way not in ways:
                raise ForeignGraphError(
                    f"it has a part (number {tag >> 3} of {kind.lower()}) that no network of this program needs"
                )
            if way == _BYTES:
                length, at = self._whole(at, end)
                value: Any = (at, at + length)
                at += length
            elif way == _WHOLE:
                value, at = self._whole(at, end)
            else:
                value, at = None, at + 4
            if at > end:
                raise ForeignGraphError("it is cut short")
            yield name, value

    def _whole(self, at: int, end: int) -> tuple[int, int]:
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise ForeignGraphError("it is cut short")
            byte = self.content[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:  # noqa: PLR2004 -- no more follow
                return value, at
        raise ForeignGraphError("it is damaged")

    def _packed(self, begin: int, end: int) -> list[int]:
        values = []
        while begin < end:
            self.count += 1
            value, begin = self._whole(begin, end)
            values.append(value)
            if len(values) > 16:  # noqa: PLR2004 -- sides of a tensor, or of windows
                raise ForeignGraphError("it holds a list of more numbers than images have sides")
        return values

    def _text(self, place: tuple[int, int]) -> str:
        return bytes(self.content[slice(*place)]).decode()

    def _tensor(self, parts: dict[str, Any]) -> tuple[str, Operand]:
        """Name and numbers that lie in the file, as many as the sides say."""
        dtype = KINDS.get(parts.get("kind", 0))
        sides = tuple(parts.get("sides", ()))
        if dtype is None or len(sides) > 16 or any(side >= 1 << 40 for side in sides):  # noqa: PLR2004 -- sides of a tensor
            raise ForeignGraphError("it holds a tensor of another kind than numbers")
        begin, end = parts.get("content", (0, 0))
        if end - begin != math.prod(sides) * dtype.itemsize:
            raise ForeignGraphError("it holds a tensor of other sides than its numbers")
        name = self._text(parts["name"]) if "name" in parts else ""
        numbers = np.frombuffer(self.content[begin:end], dtype)
        if dtype.kind == "f" and end > begin:
            told = name or f"a constant of node {len(self.found.graph.nodes) + 1}"
            self.found.tensors[told] = torch.from_numpy(numbers.copy())
        return name, Operand(sides, width_of(dtype), numbers.reshape(sides) if len(numbers) <= FEW else None)


def _signed(number: int) -> int:
    """As the format writes numbers below zero."""
    return number - (1 << 64) if number >> 63 else number
