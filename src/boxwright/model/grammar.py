# SPDX-License-Identifier: Apache-2.0
"""The closed grammar of arguments in model YAMLs.

The family evaluates these words as program text; here they are parsed.

    argument   := number | true | false | none | name | word | list
    activation := ["nn."] NAME ["(" number {"," number} ")"]

Names are `nc` and `anchors`, resolved by the caller. Anything else is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

ACTIVATIONS = ("SiLU", "Hardswish", "Mish", "LeakyReLU", "ReLU", "ReLU6", "FReLU", "AconC", "MetaAconC", "Identity")
WITH_SLOPE = {"LeakyReLU"}  # takes one number; the others take none
MAX_SLOPE = 10  # far beyond any use

_ACTIVATION = re.compile(r"(?:nn\.)?([A-Za-z][A-Za-z0-9]*)(?:\(\s*([-+0-9.eE,\s]*)\))?")
_CONSTANTS: dict[str, Any] = {"None": None, "none": None, "True": True, "true": True, "False": False, "false": False}
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ActivationSpec:
    """A named activation and its numbers, such as LeakyReLU(0.1)."""

    name: str
    numbers: tuple[float, ...] = ()

    def __str__(self) -> str:
        return f"nn.{self.name}({', '.join(f'{number:g}' for number in self.numbers)})"


class GrammarError(ValueError):
    """The offending word; the caller knows file and row."""


def parse_activation(text: str) -> ActivationSpec:
    """`nn.LeakyReLU(0.1)`, `LeakyReLU(0.1)` or `SiLU`. Raises GrammarError."""
    match = _ACTIVATION.fullmatch(text.strip())
    if match is None or match[1] not in ACTIVATIONS:
        raise GrammarError(f"'{text}' is no activation (known: {', '.join(ACTIVATIONS)})")
    words = [word for word in (match[2] or "").split(",") if word.strip()]
    try:
        numbers = tuple(float(word) for word in words)
    except ValueError:
        raise GrammarError(f"'{text}' has an argument that is not a number") from None
    if len(numbers) > (match[1] in WITH_SLOPE):
        raise GrammarError(f"'{text}' has too many arguments")
    if not all(abs(number) <= MAX_SLOPE for number in numbers):
        raise GrammarError(f"'{text}' has a slope beyond {MAX_SLOPE}")
    return ActivationSpec(match[1], numbers)


def resolve(value: Any, names: dict[str, Any]) -> Any:
    """An argument as a plain value: constants and names replaced, activations parsed. Raises GrammarError."""
    if isinstance(value, list):
        return [resolve(item, names) for item in value]
    if not isinstance(value, str):
        return value
    if value in names:
        return names[value]
    if value in _CONSTANTS:
        return _CONSTANTS[value]
    if value.startswith("nn.") or value.split("(")[0] in ACTIVATIONS:
        return parse_activation(value)
    if _WORD.fullmatch(value):
        return value
    raise GrammarError(f"'{value}' is neither a number nor a known word; arguments are data and are never evaluated")
