# SPDX-License-Identifier: Apache-2.0
"""What is in an ONNX file, read from its bytes by a reader of our own before the runtime sees them.

Only the parts of the format that the exporter writes are known: a graph without graphs inside, numbers inside the file,
operators of the standard. Any other part, also one that the runtime might skip, is refused.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

OPERATORS = frozenset(
    [
        "Add",
        "ArgMax",
        "BatchNormalization",
        "Cast",
        "Clip",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Conv",
        "ConvTranspose",
        "Div",
        "Equal",
        "Expand",
        "Flatten",
        "Gather",
        "GatherElements",
        "GatherND",
        "Gemm",
        "Greater",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "MatMul",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "NonMaxSuppression",
        "Pad",
        "Pow",
        "Range",
        "ReduceMax",
        "ReduceMean",
        "Relu",
        "Reshape",
        "Resize",
        "ScatterND",
        "Shape",
        "Sigmoid",
        "Slice",
        "Softmax",
        "Softplus",
        "Split",
        "Squeeze",
        "Sub",
        "Tanh",
        "TopK",
        "Transpose",
        "Unsqueeze",
        "Where",
    ]
)
MAX_BYTES = (2 << 30) - 1  # what the format itself allows
MAX_PARTS = 1_000_000  # the largest network of the family has a tenth
MAX_NODES = 50_000
KINDS = {
    1: (torch.float32, 4),
    2: (torch.uint8, 1),
    6: (torch.int32, 4),
    7: (torch.int64, 8),
    9: (torch.bool, 1),
    10: (torch.float16, 2),
    11: (torch.float64, 8),
}
_WHOLE, _LONG, _BYTES, _SHORT = 0, 1, 2, 5  # how the format writes a part
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
        **dict.fromkeys((2, 10, 11, 12, 13), ("text", (_BYTES,))),
        5: ("TENSOR", (_BYTES,)),
    },
    "NODE": {
        **dict.fromkeys((1, 2, 3, 6), ("text", (_BYTES,))),
        4: ("operator", (_BYTES,)),
        5: ("ATTRIBUTE", (_BYTES,)),
        7: ("domain", (_BYTES,)),
    },
    "ATTRIBUTE": {
        **dict.fromkeys((1, 4, 13), ("text", (_BYTES,))),
        2: ("number", (_SHORT,)),
        **dict.fromkeys((3, 20), ("number", (_WHOLE,))),
        5: ("TENSOR", (_BYTES,)),
        7: ("numbers", (_BYTES, _SHORT)),
        8: ("numbers", (_BYTES, _WHOLE)),
    },
    "TENSOR": {
        1: ("sides", (_BYTES, _WHOLE)),
        2: ("kind", (_WHOLE,)),
        4: ("floats", (_BYTES,)),
        **dict.fromkeys((5, 7, 10, 12), ("text", (_BYTES,))),
        8: ("name", (_BYTES,)),
        9: ("content", (_BYTES,)),
    },
}


class ForeignGraphError(Exception):
    """A file that is not what the exporter writes, and why, in a few words."""


@dataclass
class OnnxContents:
    """Words about the file, and its numbers by name."""

    words: dict[str, str] = field(default_factory=dict)
    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    nodes: int = 0


def contents_of(content: bytes) -> OnnxContents:
    """What a file holds. Raises ForeignGraphError."""
    if len(content) > MAX_BYTES:
        raise ForeignGraphError("it is longer than the format allows")
    reader = _Reader(memoryview(content))
    try:
        reader.message("MODEL", 0, len(content))
    except (UnicodeDecodeError, IndexError, struct.error):
        raise ForeignGraphError("it is damaged") from None
    if not reader.found.nodes:
        raise ForeignGraphError("it holds no graph")
    return reader.found


class _Reader:
    def __init__(self, content: memoryview) -> None:
        self.content, self.found, self.count = content, OnnxContents(), 0

    def message(self, kind: str, begin: int, end: int) -> dict[str, Any]:
        """The parts of a message by name, the last one of each name."""
        parts: dict[str, Any] = {}
        for name, value in self._parts(kind, begin, end):
            if name.isupper():
                self.message(name, *value)
            elif name == "sides":
                parts["sides"] = [*parts.get("sides", []), *(self._packed(*value) if type(value) is tuple else [value])]
            else:
                parts[name] = value
                self._require_allowed(name, value)
        if kind == "WORD":
            self.found.words[self._text(parts.get("key", (0, 0)))] = self._text(parts.get("value", (0, 0)))
        elif kind == "TENSOR":
            self._tensor(parts)
        elif kind == "NODE":
            self.found.nodes += 1
            if self.found.nodes > MAX_NODES or "operator" not in parts:
                raise ForeignGraphError("its graph is longer than that of a network, or damaged")
        return parts

    def _require_allowed(self, name: str, value: Any) -> None:
        if name == "operator" and self._text(value) not in OPERATORS:
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
            if len(values) > 16:  # noqa: PLR2004 -- sides of a tensor
                raise ForeignGraphError("it holds a tensor of too many sides")
        return values

    def _text(self, place: tuple[int, int]) -> str:
        return bytes(self.content[slice(*place)]).decode()

    def _tensor(self, parts: dict[str, Any]) -> None:
        """Numbers that lie in the file, as many as the sides say; kept by name where they are floating."""
        dtype, width = KINDS.get(parts.get("kind", 0), (None, 0))
        sides = parts.get("sides", [])
        if dtype is None or len(sides) > 16 or any(side >= 1 << 40 for side in sides):  # noqa: PLR2004 -- sides of a tensor
            raise ForeignGraphError("it holds a tensor of another kind than numbers")
        place = parts.get("content") or (parts.get("floats") if dtype is torch.float32 else None)
        if place is None:
            return  # numbers written one by one; the runtime compares their count
        if place[1] - place[0] != math.prod(sides) * width:
            raise ForeignGraphError("it holds a tensor of other sides than its numbers")
        if dtype.is_floating_point and place[1] > place[0]:
            name = self._text(parts["name"]) if "name" in parts else f"a constant of node {self.found.nodes}"
            self.found.tensors[name] = torch.frombuffer(bytearray(self.content[slice(*place)]), dtype=dtype)
