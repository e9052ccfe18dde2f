# SPDX-License-Identifier: Apache-2.0
"""TensorBoard scalars under the names of the results table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter

from boxwright.system.files import remove
from boxwright.track.events import EpochEnded, Event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class TensorBoard:
    """Writes an event file into the run folder. What a run has behind it is written anew, so that no step stands there twice."""

    def __init__(self, folder: Path, past: Iterable[EpochEnded] = ()) -> None:
        for old in folder.glob("events.out.tfevents.*"):
            remove(old)
        self.writer = SummaryWriter(str(folder))
        for event in past:
            self.handle(event)

    def handle(self, event: Event) -> None:
        """Add the scalars of an epoch."""
        if isinstance(event, EpochEnded):
            for key, value in event.results.items():
                if value is not None:
                    self.writer.add_scalar(key, value, event.epoch)
            self.writer.flush()

    def close(self) -> None:
        """Finish the file."""
        self.writer.close()
