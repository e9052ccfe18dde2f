# SPDX-License-Identifier: Apache-2.0
"""What a run may go on from: its checkpoints that still hold the state of the training, the newest one first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.errors import WeightsError
from boxwright.system.run_folder import checkpoint_of
from boxwright.system.tensors import previous_of, read_tensors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Generation(NamedTuple):
    """A whole checkpoint of a run."""

    path: Path
    document: dict[str, Any]


def generations(folder: Path) -> Iterator[Generation]:
    """Every whole one, each read when it is asked for.

    Last.pt, the one before, and where both are gone, files kept for use that still hold all of it.
    """
    last = checkpoint_of(folder, "last")
    for path in (last, previous_of(last)):
        if (found := _generation(path)) is not None:
            yield found
    others = [
        found
        for path in sorted(last.parent.glob("*.pt"))
        if path not in {last, previous_of(last)} and (found := _generation(path)) is not None
    ]
    yield from sorted(others, key=lambda found: _place(found.document), reverse=True)


def _generation(path: Path) -> Generation | None:
    if not path.is_file():
        return None
    try:
        document = read_tensors(path)
    except WeightsError:
        return None
    state = document.get("state")
    return Generation(path, document) if isinstance(state, dict) and {"epoch", "batch"} <= state.keys() else None


def _place(document: dict[str, Any]) -> tuple[int, int]:
    return document["state"]["epoch"], document["state"]["batch"]
