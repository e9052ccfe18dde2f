# SPDX-License-Identifier: Apache-2.0
"""done.json: the record that a run came to its end. Whatever else lies under that name is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

DONE = "done.json"
MAX_BYTES = 1 << 20
_KINDS: dict[str, tuple[type, ...]] = {
    "reason": (str,),
    "epochs": (int,),
    "hours": (int, float),
    "best_epoch": (int,),
    "best_fitness": (int, float),
    "results": (dict,),
}


def record_of(folder: Path) -> dict[str, Any] | None:
    """The record of a run that is done; None while it is not."""
    try:
        with (folder / DONE).open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return (
        found
        if isinstance(found, dict) and all(type(found.get(key)) in kinds for key, kinds in _KINDS.items())
        else None
    )
