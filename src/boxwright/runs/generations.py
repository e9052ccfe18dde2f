# SPDX-License-Identifier: Apache-2.0
"""What a run may go on from: its checkpoints that still hold the state of the training, the newest one first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from boxwright.engine.checkpoint import read_checkpoint
from boxwright.errors import WeightsError
from boxwright.structures.checkpoint import Checkpoint, Position
from boxwright.system.run_folder import checkpoint_of
from boxwright.system.tensors import previous_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Generation(NamedTuple):
    """A whole checkpoint of a run."""

    path: Path
    checkpoint: Checkpoint
    position: Position


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
    yield from sorted(others, key=lambda found: (found.position.epoch, found.position.batch), reverse=True)


def _generation(path: Path) -> Generation | None:
    if not path.is_file():
        return None
    try:
        checkpoint = read_checkpoint(path)
    except WeightsError:
        return None
    return None if checkpoint.position is None else Generation(path, checkpoint, checkpoint.position)
