# SPDX-License-Identifier: Apache-2.0
"""A model YAML, checked and worked out: every row with its inputs, arguments and channels. Read without torch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from boxwright.documents import Document
from boxwright.errors import ModelError, nearest
from boxwright.model.arguments import bind
from boxwright.model.grammar import ActivationSpec, GrammarError, resolve
from boxwright.model.signatures import NOT_OFFERED, SIGNATURES, Signature
from boxwright.model.spec_keys import Anchors, SpecKeys

MAX_ROWS = 1000
MAX_REPEATS = 1000
MAX_BLOCKS = 2000  # rows with all their repeats; the largest packaged network has 63
MAX_CHANNELS = 1 << 16
MAX_NOTES = 50  # unknown keys that are told


@dataclass(frozen=True)
class Row:
    """One row. `sources` are row numbers, -1 for the image; `arguments` are in the order of the block's signature."""

    index: int
    sources: tuple[int, ...]
    block: str
    arguments: tuple[Any, ...]
    in_channels: tuple[int, ...]
    out_channels: int
    sequence: int  # how many copies of the block stand one after the other
    inner: int  # the repeat number that goes into the block itself
    raw_from: int | tuple[int, ...]
    tag: str = ""
    place: str = ""  # FILE:LINE, for what is found out when the network is built

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"row {self.index}, {self.block}"


@dataclass(frozen=True)
class ModelSpec:
    """A network, described. `placeholder_anchors`: the YAML asks for that many anchors per level, not yet fitted."""

    name: str
    num_classes: int
    in_channels: int
    anchors_px: Anchors
    placeholder_anchors: bool
    activation: ActivationSpec
    csp_activation: ActivationSpec  # of the join inside BottleneckCSP: LeakyReLU(0.1) in the networks of 2020
    rows: tuple[Row, ...]
    saved: tuple[int, ...]
    source: dict[str, Any]
    notes: tuple[str, ...] = ()

    @property
    def num_anchors(self) -> int:
        """Anchors per level."""
        return len(self.anchors_px[0])


def read_spec(
    document: Document,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    anchors_per_level: int | None = None,
) -> ModelSpec:
    """Work a model YAML out; the keyword arguments replace what it says. Raises ModelError with file, row and word."""
    return _Reader(document, SpecKeys(document, num_classes, in_channels, anchors_per_level)).spec()


def depth_of(number: int, depth_multiple: float) -> int:
    """Repeats of a row in a network of this depth."""
    return max(round(number * depth_multiple), 1) if number > 1 else number


def width_of(channels: int, width_multiple: float, multiple: int) -> int:
    """Channels of a row in a network of this width: the next multiple, usually of 8."""
    return math.ceil(channels * width_multiple / multiple) * multiple


class _Reader:
    """One pass over the rows of one document. Holds what every row needs to know."""

    def __init__(self, document: Document, keys: SpecKeys) -> None:
        self.document = document
        self.keys = keys
        self.raw = keys.raw
        self.out_channels: list[int] = []
        self.rows: list[Row] = []
        self.tags: dict[str, int] = {}

    # -- the whole

    def spec(self) -> ModelSpec:
        notes = tuple(self.keys.note(key) for key in self.keys.unknown[:MAX_NOTES])
        listed = self._listed("backbone") + self._listed("head")
        if len(listed) > MAX_ROWS:
            raise self.keys.error("head", f"{len(listed)} rows are too many (at most {MAX_ROWS})")
        for index, (address, row) in enumerate(listed):
            self.rows.append(self._row(index, address, row))
            self.out_channels.append(self.rows[-1].out_channels)
        if (blocks := sum(row.sequence * row.inner for row in self.rows)) > MAX_BLOCKS:
            raise self.keys.error(
                "depth_multiple",
                f"the rows with their repeats are {blocks} blocks (at most {MAX_BLOCKS})",
                "Reduce depth_multiple or repeats",
            )
        detect = self._detect_row(listed)
        anchors = self.keys.anchors_px(len(detect.sources))
        saved = sorted(
            s for row in self.rows for s, raw in zip(row.sources, _as_tuple(row.raw_from), strict=True) if raw != -1
        )
        return ModelSpec(
            name=_stem(self.document.name),
            num_classes=self.keys.num_classes,
            in_channels=self.keys.in_channels,
            anchors_px=anchors,
            placeholder_anchors=isinstance(self.keys.anchors, int),
            activation=self.keys.activation,
            csp_activation=self.keys.csp_activation,
            rows=tuple(self.rows),
            saved=tuple(saved),
            source=self._source(),
            notes=notes,
        )

    def _source(self) -> dict[str, Any]:
        anchors = (
            self.keys.anchors
            if isinstance(self.keys.anchors, int)
            else [[side for pair in level for side in pair] for level in self.keys.anchors]
        )
        return {**self.raw, "nc": self.keys.num_classes, "ch": self.keys.in_channels, "anchors": anchors}

    def _detect_row(self, listed: list[tuple[tuple[str | int, ...], Any]]) -> Row:
        detects = [row for row in self.rows if row.block == "Detect"]
        if len(detects) != 1 or self.rows[-1].block != "Detect":
            place = self.document.place(*listed[-1][0]) if listed else self.document.name
            raise ModelError(
                place,
                f"the last row has to be the one Detect row; found {len(detects)}",
                "End the head with [[rows], 1, Detect, [nc, anchors]]",
            )
        (detect,) = detects
        classes, anchors = detect.arguments
        if (
            detect.sequence != 1
            or classes not in (self.keys.num_classes, self.raw.get("nc"))
            or anchors not in (self.keys.anchors, self.raw["anchors"])
        ):
            raise ModelError(
                detect.place,
                f"{detect.title}: it disagrees with the keys nc and anchors, or is repeated",
                "Write 1, Detect, [nc, anchors]",
            )
        return detect

    # -- rows

    def _listed(self, key: str) -> list[tuple[tuple[str | int, ...], Any]]:
        rows = self.raw.get(key)
        if key not in self.raw:
            raise ModelError(self.document.name, f"has no key '{key}'", f"Add '{key}:' with its rows")
        if not isinstance(rows, list) or not rows:
            raise self.keys.error(key, f"'{key}' holds no rows", "Rows look like [-1, 1, Conv, [64, 3, 2]]")
        return [((key, i), row) for i, row in enumerate(rows)]

    def _row(self, index: int, address: tuple[str | int, ...], raw: object) -> Row:
        place = self.document.place(*address)
        if not isinstance(raw, list) or len(raw) not in {4, 5}:
            raise ModelError(place, f"row {index} is {raw!r}", "A row is [from, number, module, [arguments]]")
        origin, number, name, words = raw[:4]
        sources = self._sources(place, index, origin)
        signature = self._signature(place, index, name)
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_REPEATS:
            raise ModelError(
                place,
                f"row {index}: the number of repeats is {number!r}",
                f"Give a whole number from 1 to {MAX_REPEATS}",
            )
        repeats = depth_of(number, self.keys.depth)
        in_channels = tuple(self.keys.in_channels if s == -1 else self.out_channels[s] for s in sources)
        arguments = self._arguments(place, index, str(name), signature, words)
        out_channels = self._out_channels(place, index, signature, arguments, in_channels)
        if signature.channels not in {"sum", "detect"} and len(sources) != 1:
            raise ModelError(
                place, f"row {index}: {name} takes one input, not {len(sources)}", "Put a Concat row before it"
            )
        tag = self._tag(place, index, raw[4]) if len(raw) == 5 else ""  # noqa: PLR2004 -- the optional fifth item
        sequence, inner = (1, repeats) if signature.inner_repeat else (repeats, 1)
        return Row(
            index,
            sources,
            str(name),
            arguments,
            in_channels,
            out_channels,
            sequence,
            inner,
            self._raw_from(origin),
            tag,
            place,
        )

    def _tag(self, place: str, index: int, tag: object) -> str:
        if not isinstance(tag, str) or not tag or tag in self.tags:
            raise ModelError(
                place, f"row {index}: the tag {tag!r} is no new word", "A tag is a word that no other row has"
            )
        self.tags[tag] = index
        return tag

    def _raw_from(self, origin: Any) -> int | tuple[int, ...]:
        numbers = tuple(self.tags.get(item, item) for item in _as_tuple(origin))
        return numbers if isinstance(origin, list) else numbers[0]

    def _sources(self, place: str, index: int, origin: object) -> tuple[int, ...]:
        items: tuple[Any, ...] = tuple(
            self.tags.get(item, item) if isinstance(item, str) else item for item in _as_tuple(origin)
        )
        if not items or any(isinstance(item, bool) or not isinstance(item, int) for item in items):
            known = f" (tags so far: {', '.join(self.tags)})" if self.tags else ""
            raise ModelError(
                place,
                f"row {index} takes its input from {origin!r}{known}",
                "Give -1, a row number, a tag, or a list of them",
            )
        for item in items:
            if not -index - 1 <= item < index or (item < -1 and index + item < 0):
                raise ModelError(
                    place,
                    f"row {index} takes its input from row {item}, which does not stand before it",
                    f"Rows before it: 0 to {index - 1}",
                )
        return tuple(item if item >= 0 else (index - 1 if item == -1 else index + item) for item in items)

    def _signature(self, place: str, index: int, name: object) -> Signature:
        if isinstance(name, str) and name in NOT_OFFERED:
            raise ModelError(place, f"row {index}: {NOT_OFFERED[str(name)]}")
        if not isinstance(name, str) or name not in SIGNATURES:
            near = nearest(str(name), SIGNATURES)
            hint = f"Did you mean '{near}'? " if near else ""
            raise ModelError(place, f"row {index}: unknown module '{name}'", f"{hint}Known: {', '.join(SIGNATURES)}")
        return SIGNATURES[name]

    def _arguments(self, place: str, index: int, name: str, signature: Signature, words: object) -> tuple[Any, ...]:
        if not isinstance(words, list):
            raise ModelError(place, f"row {index}: the arguments are {words!r}", "Give a list, such as [64, 3, 2]")
        try:
            values = [resolve(word, {"nc": self.keys.num_classes, "anchors": self.keys.anchors}) for word in words]
            bound = list(bind(signature, values))
        except GrammarError as error:
            raise ModelError(place, f"row {index}, {name}: {error}", "Mend this word") from None
        if signature.channels == "width" and bound[0] != self._head_width():
            bound[0] = width_of(bound[0], self.keys.width, self.keys.multiple)
        return tuple(bound)

    def _head_width(self) -> int:
        """The output count of the head, which a row may ask for without being scaled."""
        anchors = self.keys.anchors if isinstance(self.keys.anchors, int) else len(self.keys.anchors[0])
        return anchors * (self.keys.num_classes + 5)

    def _out_channels(
        self, place: str, index: int, signature: Signature, arguments: tuple[Any, ...], in_channels: tuple[int, ...]
    ) -> int:
        match signature.channels:
            case "width":
                count = arguments[0]
            case "same":
                count = in_channels[0]
            case "sum":
                count = sum(in_channels)
            case "contract":
                count = in_channels[0] * arguments[0] ** 2
            case "expand":
                count = in_channels[0] // arguments[0] ** 2
            case "detect":
                count = 1
        if not 1 <= count <= MAX_CHANNELS:
            raise ModelError(place, f"row {index} would have {count} channels", f"Channels go from 1 to {MAX_CHANNELS}")
        return int(count)


def _as_tuple(origin: Any) -> tuple[Any, ...]:
    return tuple(origin) if isinstance(origin, list | tuple) else (origin,)


def _stem(name: str) -> str:
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return last.rsplit(".", 1)[0] if "." in last else last
