# SPDX-License-Identifier: Apache-2.0
"""The keys of a model YAML beside its rows: classes, channels, width, depth, activations and anchors."""

from __future__ import annotations

import math

from boxwright.documents import Document
from boxwright.errors import ModelError, nearest
from boxwright.model.grammar import ActivationSpec, GrammarError, parse_activation

MAX_CLASSES = 100_000
MAX_IN_CHANNELS = 1024

KNOWN_KEYS = {
    "nc",
    "depth_multiple",
    "width_multiple",
    "anchors",
    "backbone",
    "head",
    "ch",
    "activation",
    "channel_multiple",
    "csp_activation",
}
IGNORED_KEYS = {
    "inplace",
    "yaml_file",
    "names",
    "strides",
    "flipud",
    "fliplr",
}  # carried by files of the field, without effect on the network
DEFAULT_ACTIVATION = ActivationSpec("SiLU")

Anchors = tuple[tuple[tuple[float, float], ...], ...]


class SpecKeys:
    """The keys of one document, checked. Raises ModelError with file, key and value."""

    def __init__(
        self, document: Document, num_classes: int | None, in_channels: int | None, anchors_per_level: int | None
    ) -> None:
        self.document = document
        self.raw = document.mapping()
        self.depth = self._number("depth_multiple", 1.0)
        self.width = self._number("width_multiple", 1.0)
        self.multiple = self._whole("channel_multiple", 8, 1024)
        self.num_classes = self._whole("nc", None, MAX_CLASSES, num_classes)
        self.in_channels = self._whole("ch", 3, MAX_IN_CHANNELS, in_channels)
        self.activation = self._activation("activation")
        self.csp_activation = self._activation("csp_activation")
        self.anchors = self._anchors() if anchors_per_level is None else anchors_per_level

    @property
    def unknown(self) -> list[str]:
        """Keys that nothing here reads."""
        return [key for key in self.raw if key not in KNOWN_KEYS and key not in IGNORED_KEYS]

    def note(self, key: str) -> str:
        """What is told of a key that is not known."""
        near = nearest(str(key), KNOWN_KEYS)
        hint = f"; did you mean '{near}'?" if near else ""
        return f"{self.document.place(key)}: key '{key}' is not known and has no effect{hint}"

    def error(self, key: str, what: str, remedy: str = "") -> ModelError:
        """A fault of a key, at its line."""
        return ModelError(self.document.place(key), what, remedy)

    def anchors_px(self, num_levels: int) -> Anchors:
        """The anchors of each level, in pixels; where only a number is asked for, placeholders."""
        if isinstance(self.anchors, int):
            placeholder = tuple((2.0 * k, 2.0 * k + 1) for k in range(self.anchors))
            return (placeholder,) * num_levels
        if len(self.anchors) != num_levels:
            raise self.error(
                "anchors",
                f"there are anchors for {len(self.anchors)} levels, but Detect has {num_levels} inputs",
                "Make them agree",
            )
        return self.anchors

    def _number(self, key: str, default: float) -> float:
        value = self.raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 100:  # noqa: PLR2004 -- far beyond any use
            raise self.error(key, f"{key} is {value!r}", "Give a number above 0, such as 0.33")
        return float(value)

    def _whole(self, key: str, default: int | None, highest: int, instead: int | None = None) -> int:
        if key not in self.raw and default is None and instead is None:
            raise ModelError(self.document.name, f"has no key '{key}'", f"Add '{key}: NUMBER'")
        value = self.raw.get(key, default) if instead is None else instead
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= highest:
            raise self.error(key, f"{key} is {value!r}", f"Give a whole number from 1 to {highest}")
        return value

    def _activation(self, key: str) -> ActivationSpec:
        text = self.raw.get(key)
        if text is None:
            return DEFAULT_ACTIVATION
        try:
            return parse_activation(str(text))
        except GrammarError as error:
            raise self.error(key, str(error)) from None

    def _anchors(self) -> int | Anchors:
        if "anchors" not in self.raw:
            raise ModelError(
                self.document.name,
                "has no key 'anchors'",
                "Add the pairs of each level, or a number of anchors per level",
            )
        value = self.raw["anchors"]
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100:  # noqa: PLR2004 -- far beyond any use
            return value
        if not isinstance(value, list) or not value:
            raise self.error(
                "anchors", f"anchors are {value!r}", "Give one list of width, height pairs per level, or a whole number"
            )
        levels = tuple(self._anchor_level(i, level) for i, level in enumerate(value))
        if len({len(level) for level in levels}) != 1:
            raise self.error(
                "anchors", "the levels have different numbers of anchors", "Give every level as many pairs"
            )
        return levels

    def _anchor_level(self, index: int, level: object) -> tuple[tuple[float, float], ...]:
        place = self.document.place("anchors", index)
        numbers = level if isinstance(level, list) else []
        sound = all(
            isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) and n > 0 for n in numbers
        )
        if not numbers or not sound:
            raise ModelError(
                place,
                f"anchors of level {index} are {level!r}",
                "Give positive numbers: width, height, width, height, ...",
            )
        if len(numbers) % 2:
            raise ModelError(
                place, f"anchors of level {index} are {len(numbers)} numbers, so a width lacks its height", "Give pairs"
            )
        return tuple((float(w), float(h)) for w, h in zip(numbers[::2], numbers[1::2], strict=True))
