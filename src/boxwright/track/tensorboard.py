# SPDX-License-Identifier: Apache-2.0
"""TensorBoard scalars under the names of the results table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter

from boxwright.track.events import EpochEnded, Event

if TYPE_CHECKING:
    from pathlib import Path


class TensorBoard:
    """Writes an event file into the run folder."""

    def __init__(self, folder: Path) -> None:
        self.writer = SummaryWriter(str(folder))

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
