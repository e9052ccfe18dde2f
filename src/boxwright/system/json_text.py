# SPDX-License-Identifier: Apache-2.0
"""JSON that every reader takes: a number that is none is null there, and all of it is ASCII that can be seen."""

from __future__ import annotations

import json
import math
from typing import Any


def json_text(document: Any, *, indent: int | None = None, lost: list[list[Any]] | None = None) -> str:
    """A document as text.

    What is neither a number nor text stands as text. `lost` is given the place and the name of every number that
    became null: the keys that lead to it, then nan, inf or -inf.
    """
    try:
        text = json.dumps(document, indent=indent, default=str, allow_nan=False)
    except ValueError:  # there is such a number
        text = json.dumps(_finite(document, (), [] if lost is None else lost), indent=indent, default=str)
    return text.replace("\x7f", "\\u007f")


def _finite(value: Any, place: tuple[str | int, ...], lost: list[list[Any]]) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        lost.append([*place, str(float(value))])
        return None
    if isinstance(value, dict):
        return {key: _finite(one, (*place, str(key)), lost) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one, (*place, number), lost) for number, one in enumerate(value)]
    return value
