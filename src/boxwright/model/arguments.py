# SPDX-License-Identifier: Apache-2.0
"""The words of a row against the signature of its block.

Right kind, right number, within bounds, defaults filled in.
"""

from __future__ import annotations

import math
from typing import Any

from boxwright.model.grammar import ActivationSpec, GrammarError
from boxwright.model.signatures import REQUIRED, Parameter, Signature

MAX_WIDTH = 1 << 20
MAX_COUNT = 4096


def bind(signature: Signature, values: list[Any]) -> tuple[Any, ...]:
    """All arguments of a block in the order of its signature. Raises GrammarError with the word at fault."""
    if len(values) > len(signature.parameters):
        names = ", ".join(parameter.name for parameter in signature.parameters) or "none"
        raise GrammarError(f"{len(values)} arguments are too many (it takes: {names})")
    missing = [parameter.name for parameter in signature.parameters[len(values) :] if parameter.default is REQUIRED]
    if missing:
        raise GrammarError(f"the argument '{missing[0]}' is missing")
    given = [_checked(parameter, value) for parameter, value in zip(signature.parameters, values, strict=False)]
    return (*given, *(parameter.default for parameter in signature.parameters[len(values) :]))


def _checked(parameter: Parameter, value: Any) -> Any:
    check, wanted = _CHECKS[parameter.kind]
    if not check(value):
        raise GrammarError(f"{parameter.name} is {_shown(value)}, but it has to be {wanted}")
    return tuple(value) if isinstance(value, list) and parameter.kind in {"size", "sizes", "sides"} else value


def _shown(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else repr(value)


def _whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _count(value: object) -> bool:
    return _whole(value, 1, MAX_COUNT)


def _size(value: object) -> bool:
    return _count(value) or (isinstance(value, list) and len(value) == 2 and all(_count(item) for item in value))  # noqa: PLR2004 -- h, w


def _sides(value: object) -> bool:
    return _whole(value, 0, MAX_COUNT) or (
        isinstance(value, list) and len(value) == 4 and all(_whole(item, 0, MAX_COUNT) for item in value)  # noqa: PLR2004 -- left, right, top, bottom
    )


_CHECKS: dict[str, tuple[Any, str]] = {
    "width": (lambda v: _whole(v, 1, MAX_WIDTH), f"a whole number of channels from 1 to {MAX_WIDTH}"),
    "count": (_count, f"a whole number from 1 to {MAX_COUNT}"),
    "size": (_size, "a whole number above 0 or a list of two"),
    "sizes": (lambda v: isinstance(v, list) and v and all(_count(i) for i in v), "a list of whole numbers above 0"),
    "sides": (_sides, "a whole number, or a list of four: left, right, top, bottom"),
    "optional": (lambda v: v is None or _whole(v, 0, MAX_COUNT), "a whole number from 0 on, or None"),
    "flag": (lambda v: isinstance(v, bool), "True or False"),
    "share": (
        lambda v: isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) and 0 < v <= 8,  # noqa: PLR2004 -- far beyond any use
        "a number above 0",
    ),
    "act": (
        lambda v: isinstance(v, bool | ActivationSpec) or v is None,
        "True, False or an activation such as nn.SiLU()",
    ),
    "one": (lambda v: _whole(v, 1, 1), "1, the axis of the channels"),
    "word": (lambda v: isinstance(v, str) and v in {"nearest", "bilinear"}, "'nearest' or 'bilinear'"),
    "none": (lambda v: v is None, "None"),
    "classes": (lambda v: _whole(v, 1, MAX_WIDTH), "nc"),
    "anchors": (lambda v: isinstance(v, tuple | list) or _count(v), "the word anchors"),
}
