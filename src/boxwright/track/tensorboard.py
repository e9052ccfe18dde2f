# SPDX-License-Identifier: Apache-2.0
"""TensorBoard scalars under the names of the results table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter

from boxwright.system.files import remove
from boxwright.track.events import RESULT_KEYS, EpochEnded, Event

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import numpy as np


_GIOU = {**{key: key for key in RESULT_KEYS}, "train/box_loss": "train/giou_loss", "val/box_loss": "val/giou_loss"}
# The names of a year, '' = not written; without a list all of a result's own names are.
TAGS: dict[str, dict[str, str]] = {
    "csv": {},
    "2020.8": _GIOU,
    "2020.7": {**_GIOU, "metrics/mAP_0.5:0.95": "metrics/F1", **dict.fromkeys(("x/lr0", "x/lr1", "x/lr2"), "")},  # F1 was the name it had, not what it was
}


class TensorBoard:
    """Writes an event file into the run folder. What a run has behind it is written anew, so that no step stands there twice."""

    def __init__(self, folder: Path, past: Iterable[EpochEnded] = (), tags: str = "csv") -> None:
        self.tags = TAGS[tags]
        for old in folder.glob("events.out.tfevents.*"):
            remove(old)
        self.writer = SummaryWriter(str(folder))
        for event in past:
            self.handle(event)

    def handle(self, event: Event) -> None:
        """Add the scalars of an epoch."""
        if isinstance(event, EpochEnded):
            for key, value in event.results.items():
                tag = self.tags.get(key, "") if self.tags else key
                if value is not None and tag:
                    self.writer.add_scalar(tag, value, event.epoch)
            self.writer.flush()

    def classes(self, numbers: np.ndarray) -> None:
        """How often each class stands in the labels, as a histogram at step 0."""
        if self.tags:
            self.writer.add_histogram("classes", numbers, 0)

    def close(self) -> None:
        """Finish the file."""
        self.writer.close()
