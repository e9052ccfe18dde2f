# SPDX-License-Identifier: Apache-2.0
"""What is in the graph file of an OpenVINO network, read before the runtime sees it.

Layers of the standard's own operators, and words.

No document type and no entities of its own, text in UTF-8, no layers that hold graphs, and every constant inside the
numbers.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

import numpy as np
import torch

from boxwright.system.graphs.graph import FEW, Graph, GraphNode, Operand, UnknownSizeError, require_within_budget
from boxwright.system.graphs.openvino_operations import KINDS, RULES
from boxwright.system.graphs.operations import width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BYTES = 16 << 20  # the largest graph of the family has two
MAX_NUMBERS_BYTES = 8 << 30
MAX_DEPTH = 12
MAX_PARTS = 1_000_000
FLOATS = {"f32": torch.float32, "f16": torch.float16, "f64": torch.float64}
_VERSION = re.compile(r"opset(\d{1,2})", re.ASCII)
_COUNT = re.compile(r"\d{1,15}", re.ASCII)
_SHAPE = re.compile(r"(?:\d{1,12}(?:, ?\d{1,12}){0,15})?", re.ASCII)
_ANY_SHAPE = re.compile(r"(?:\?|\d{1,12})(?:, ?(?:\?|\d{1,12})){3}", re.ASCII)
FORMAT = "11"
OWN_WORDS = ("net", "rt_info", "boxwright")
TOPS = frozenset({"layers", "edges", "rt_info"})
LAYER, DATA, PORT, EDGE = (
    ("net", "layers", "layer"),
    ("net", "layers", "layer", "data"),
    ("net", "layers", "layer", "output", "port"),
    ("net", "edges", "edge"),
)
INPUT_PORT = ("net", "layers", "layer", "input", "port")


class ForeignNetError(Exception):
    """A file that is not what the exporter writes, and why, in a few words."""


@dataclass
class NetContents:
    """Our words; floating constants by name: element type, first byte and number of bytes among the numbers; the graph.

    `sides`: of the images that it takes, None for those of any length.
    """

    words: str | None = None
    constants: dict[str, tuple[torch.dtype, int, int]] = field(default_factory=dict)
    graph: Graph = field(default_factory=Graph)
    sides: tuple[int | None, ...] = ()


def net_contents(content: bytes, numbers: bytes) -> NetContents:
    """What a graph file says, beside its numbers. Raises ForeignNetError."""
    if len(content) > MAX_BYTES:
        raise ForeignNetError("its graph is longer than that of a network")
    reader = _Reader(numbers)
    parser = expat.ParserCreate("UTF-8")
    parser.StartElementHandler, parser.EndElementHandler = reader.begin, reader.end
    parser.XmlDeclHandler = _require_utf8
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.ProcessingInstructionHandler = _refuse_instruction
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise ForeignNetError(f"it is no sound XML ({error})") from None
    reader.join()
    return reader.found


def require_net_within_budget(found: NetContents, images: Sequence[int]) -> None:
    """Raise OverBudgetError or UnknownSizeError for a network that takes more on images (B, C, H, W) than a network."""
    if len(found.sides) != len(images) or any(
        fixed not in {None, side} for fixed, side in zip(found.sides, images, strict=True)
    ):
        raise UnknownSizeError("it takes images of other sides than it says")
    require_within_budget(found.graph, RULES, images)


def _require_utf8(_version: str, encoding: str | None, _alone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise ForeignNetError("it is written in another encoding than UTF-8")


def _refuse_doctype(*_parts: object) -> None:
    raise ForeignNetError("it declares a document type or entities of its own")


def _refuse_instruction(*_parts: object) -> None:
    raise ForeignNetError("it holds instructions for other programs")


@dataclass
class _Layer:
    """A layer as it is written."""

    kind: str
    name: str
    data: dict[str, str] | None = None
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def take(self, place: tuple[str, ...], words: dict[str, str]) -> None:
        """A part of it."""
        if place != DATA:
            (self.outputs if place == PORT else self.inputs).append(words.get("id", ""))
        elif self.data is None:
            self.data = words
        else:
            raise ForeignNetError("it says something twice")


class _Reader:
    def __init__(self, numbers: bytes) -> None:
        self.numbers, self.found = numbers, NetContents()
        self.open: list[str] = []
        self.count = 0
        self.layers: dict[str, _Layer] = {}
        self.layer: _Layer | None = None
        self.edges: dict[tuple[str, str], str] = {}
        self.tops: set[str] = set()

    def begin(self, name: str, words: dict[str, str]) -> None:
        self.count += 1
        self.open.append(name)
        place = tuple(self.open)
        if len(place) > MAX_DEPTH or self.count > MAX_PARTS or place[0] != "net":
            raise ForeignNetError("it is not built like a network")
        self._require_format(place, words)
        if place == LAYER:
            self._begin_layer(words)
        elif self.layer is not None and place in {DATA, PORT, INPUT_PORT}:
            self.layer.take(place, words)
        elif place == EDGE:
            into = (words.get("to-layer", ""), words.get("to-port", ""))
            if into in self.edges:
                raise ForeignNetError("it says something twice")
            self.edges[into] = f"{words.get('from-layer', '')}:{words.get('from-port', '')}"
        elif place == OWN_WORDS:
            self.found.words = words.get("value")

    def _require_format(self, place: tuple[str, ...], words: dict[str, str]) -> None:
        if place == ("net",) and words.get("version") != FORMAT:
            raise ForeignNetError(f"it is not written in format {FORMAT}")
        if len(place) == 2:  # noqa: PLR2004 -- below the net
            if place[1] not in TOPS or place[1] in self.tops:
                raise ForeignNetError(f"it has a part {place[1][:40]!r} that no network of this program needs")
            self.tops.add(place[1])
        if place[-1] in {"body", "then_body", "else_body", "port_map", "back_edges"}:
            raise ForeignNetError("it holds a graph inside of a layer")

    def end(self, _name: str) -> None:
        self.open.pop()

    def _begin_layer(self, words: dict[str, str]) -> None:
        kind, version = words.get("type", ""), words.get("version", "")
        match = _VERSION.fullmatch(version)
        whole = f"{kind}-{match.group(1)}" if match else ""
        if whole not in RULES and whole not in {"Const-1", "Parameter-1"}:
            raise ForeignNetError(
                f"it has the layer {kind[:40]!r} of {version[:40]!r}, which no network of this program needs"
            )
        number = words.get("id", "")
        if number in self.layers or not _COUNT.fullmatch(number):
            raise ForeignNetError("it says something twice")
        self.layer = self.layers[number] = _Layer(whole, words.get("name", ""))

    def join(self) -> None:
        """The graph, once all layers and edges are known."""
        graph = self.found.graph
        for number, layer in self.layers.items():
            outputs = tuple(f"{number}:{port}" for port in layer.outputs)
            if layer.kind == "Const-1":
                graph.stored.update(dict.fromkeys(outputs, self._constant(layer)))
                continue
            if layer.kind == "Parameter-1":
                graph.inputs += outputs
                self.found.sides = _sides_of(layer.data or {})
                continue
            inputs = tuple(self.edges.get((number, port), "") for port in layer.inputs)
            graph.nodes.append(GraphNode(layer.kind, inputs, outputs, layer.data or {}))
            if layer.kind == "Result-1":
                graph.outputs += inputs
        if not graph.nodes:
            raise ForeignNetError("it holds no graph")

    def _constant(self, layer: _Layer) -> Operand:
        words = layer.data or {}
        kind, place, size, shape = (words.get(word, "") for word in ("element_type", "offset", "size", "shape"))
        if (
            kind not in KINDS
            or not _COUNT.fullmatch(place)
            or not _COUNT.fullmatch(size)
            or not _SHAPE.fullmatch(shape)
            or int(place) + int(size) > len(self.numbers)
        ):
            raise ForeignNetError("it has a constant of another kind than numbers, or outside of them")
        sides, dtype = tuple(int(side) for side in shape.split(",") if side), KINDS[kind]
        if math.prod(sides) * dtype.itemsize != int(size):
            raise ForeignNetError("it has a constant of other sides than its numbers")
        if kind in FLOATS:
            self.found.constants[layer.name] = (FLOATS[kind], int(place), int(size))
        count, value = math.prod(sides), None
        if count <= FEW:
            value = np.frombuffer(self.numbers, dtype, count, int(place)).reshape(sides) if count else np.zeros(sides)
            value = value.astype(np.int64) if dtype.kind in "iu" else value
        return Operand(sides, width_of(dtype), value)


def _sides_of(words: dict[str, str]) -> tuple[int | None, ...]:
    shape = words.get("shape", "")
    if words.get("element_type") != "f32" or not _ANY_SHAPE.fullmatch(shape):
        raise ForeignNetError("it takes something else than images")
    return tuple(None if side.strip() == "?" else int(side) for side in shape.split(","))
