# SPDX-License-Identifier: Apache-2.0
"""What is in the graph file of an OpenVINO network, read before the runtime sees it.

Layers of the standard's own operators, and words.

No document type and no entities of its own, text in UTF-8, no layers that hold graphs, and every constant inside the
numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

import torch

LAYERS = frozenset(
    [
        "Add",
        "BatchNormInference",
        "Broadcast",
        "Clamp",
        "Concat",
        "Const",
        "Convert",
        "Convolution",
        "ConvolutionBackpropData",
        "Divide",
        "Equal",
        "FloorMod",
        "Gather",
        "GatherElements",
        "GatherND",
        "Greater",
        "GroupConvolution",
        "GroupConvolutionBackpropData",
        "HSigmoid",
        "HSwish",
        "Identity",
        "Interpolate",
        "MatMul",
        "MaxPool",
        "Maximum",
        "Minimum",
        "Mish",
        "Multiply",
        "NonMaxSuppression",
        "PReLU",
        "Pad",
        "Parameter",
        "Power",
        "Range",
        "ReLU",
        "ReduceMax",
        "ReduceMean",
        "Reshape",
        "Result",
        "ScatterNDUpdate",
        "Select",
        "ShapeOf",
        "Sigmoid",
        "Slice",
        "SoftMax",
        "SoftPlus",
        "Split",
        "Squeeze",
        "StridedSlice",
        "Subtract",
        "Swish",
        "Tanh",
        "TopK",
        "Transpose",
        "Unsqueeze",
        "VariadicSplit",
    ]
)
MAX_BYTES = 16 << 20  # the largest graph of the family has two
MAX_NUMBERS_BYTES = 8 << 30
MAX_DEPTH = 12
MAX_PARTS = 1_000_000
FLOATS = {"f32": torch.float32, "f16": torch.float16, "f64": torch.float64}
KINDS = frozenset({*FLOATS, "i64", "i32", "i8", "u64", "u32", "u8", "boolean"})
_VERSION = re.compile(r"opset\d{1,2}", re.ASCII)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
OWN_WORDS = ("net", "rt_info", "boxwright")


class ForeignNetError(Exception):
    """A file that is not what the exporter writes, and why, in a few words."""


@dataclass
class NetContents:
    """Our words; floating constants by name: element type, first byte and number of bytes among the numbers."""

    words: str | None = None
    constants: dict[str, tuple[torch.dtype, int, int]] = field(default_factory=dict)


def net_contents(content: bytes, num_bytes: int) -> NetContents:
    """What a graph file says, beside `num_bytes` of numbers. Raises ForeignNetError."""
    if len(content) > MAX_BYTES:
        raise ForeignNetError("its graph is longer than that of a network")
    reader = _Reader(num_bytes)
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.XmlDeclHandler = _require_utf8
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ForeignNetError(f"it is no sound XML ({error})") from None
    return reader.found


def _require_utf8(_version: str, encoding: str | None, _alone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise ForeignNetError("it is written in another encoding than UTF-8")


def _refuse_doctype(*_parts: object) -> None:
    raise ForeignNetError("it declares a document type or entities of its own")


def _refuse_instruction(*_parts: object) -> None:
    raise ForeignNetError("it holds instructions for other programs")


class _Reader:
    def __init__(self, num_bytes: int) -> None:
        self.num_bytes, self.found = num_bytes, NetContents()
        self.open: list[str] = []
        self.count = 0
        self.layer: dict[str, str] = {}

    def begin(self, name: str, words: dict[str, str]) -> None:
        self.count += 1
        self.open.append(name)
        if len(self.open) > MAX_DEPTH or self.count > MAX_PARTS or self.open[0] != "net":
            raise ForeignNetError("it is not built like a network")
        if name in {"body", "then_body", "else_body", "port_map", "back_edges"}:
            raise ForeignNetError("it holds a graph inside of a layer")
        if name == "layer":
            self.layer = words
            if words.get("type") not in LAYERS or not _VERSION.fullmatch(words.get("version", "")):
                raise ForeignNetError(
                    f"it has the layer {words.get('type', '')[:40]!r} of {words.get('version', '')[:40]!r}, which no "
                    "network of this program needs"
                )
        elif name == "data" and self.layer.get("type") == "Const":
            self._constant(words)
        elif tuple(self.open) == OWN_WORDS:
            self.found.words = words.get("value")

    def end(self, _name: str) -> None:
        self.open.pop()

    def _constant(self, words: dict[str, str]) -> None:
        kind, place, size = (words.get(word, "") for word in ("element_type", "offset", "size"))
        if (
            kind not in KINDS
            or not _COUNT.fullmatch(place)
            or not _COUNT.fullmatch(size)
            or int(place) + int(size) > self.num_bytes
        ):
            raise ForeignNetError("it has a constant of another kind than numbers, or outside of them")
        if kind in FLOATS:
            self.found.constants[self.layer.get("name", "")] = (FLOATS[kind], int(place), int(size))
