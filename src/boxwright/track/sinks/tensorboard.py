# SPDX-License-Identifier: Apache-2.0
"""TensorBoard: scalars under the names of the results table, and the pictures of the run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]  # as the framework imports it
from torch.utils.tensorboard import SummaryWriter

from boxwright.paths import read_regular
from boxwright.system.files import remove
from boxwright.track.bus import Delivery
from boxwright.track.events import RESULT_KEYS, EpochEnded, Event, LabelsCounted, Pictured
from boxwright.track.sinks.event_log import Log

if TYPE_CHECKING:
    from collections.abc import Iterable

_GIOU = {**{key: key for key in RESULT_KEYS}, "train/box_loss": "train/giou_loss", "val/box_loss": "val/giou_loss"}
# The names of a year, '' = not written; without a list all of a result's own names are.
TAGS: dict[str, dict[str, str]] = {
    "csv": {},
    "2020.8": _GIOU,
    "2020.7": {
        **_GIOU,
        "metrics/mAP_0.5:0.95": "metrics/F1",
        **dict.fromkeys(("x/lr0", "x/lr1", "x/lr2"), ""),
    },  # F1 was the name it had, not what it was
}


CHANNELS = 3  # of every picture
MAX_PICTURE_BYTES = 64 << 20  # of one that a run draws; what lies there may be anything


class TensorBoard:
    """Writes an event file into the run folder.

    What a run has behind it is written anew, so that no step stands there twice.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, folder: Path, past: Iterable[EpochEnded] = (), tags: str = "csv") -> None:
        self.folder = folder
        self.tags = TAGS[tags]
        for old in folder.glob("events.out.tfevents.*"):
            remove(old)
        self.writer = SummaryWriter(str(folder))
        self.epoch = 0
        for event in past:
            self.handle(event)

    def handle(self, event: Event) -> None:
        """Add the scalars of an epoch, a picture, or, in the years that had it, a histogram of the classes."""
        match event:
            case EpochEnded():
                self._scalars(event)
            case Pictured():
                self.picture(event, self.epoch)
            case LabelsCounted(counts) if self.tags:
                self.writer.add_histogram("classes", np.repeat(np.arange(len(counts)), counts), 0)
            case _:
                return
        self.writer.flush()

    def _scalars(self, event: EpochEnded) -> None:
        self.epoch = event.epoch
        for key, value in event.results.items():
            tag = self.tags.get(key, "") if self.tags else key
            if value is not None and tag:
                self.writer.add_scalar(tag, value, event.epoch)

    def picture(self, event: Pictured, epoch: int) -> None:
        """A picture of the run folder as it lies there, under the name of its file; one that is gone is left out."""
        path = self.folder / Path(event.path).name
        if path.is_file() and path.stat().st_size <= MAX_PICTURE_BYTES:
            height, width = event.size_hw
            content = read_regular(path, MAX_PICTURE_BYTES)
            image = Summary.Image(height=height, width=width, colorspace=CHANNELS, encoded_image_string=content)
            self.writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=path.stem, image=image)]), epoch)  # type: ignore[attr-defined]  # made with the writer

    def close(self) -> None:
        """Finish the file."""
        self.writer.close()


def rebuilt(folder: Path, told: Log, epochs: Iterable[EpochEnded], tags: str) -> TensorBoard:
    """The event file made anew from what the log tells, ready to go on."""
    board = TensorBoard(folder, epochs, tags)
    if told.labels is not None:
        board.handle(told.labels)
    for epoch, event in told.pictures:
        board.picture(event, min(epoch, board.epoch))
    board.writer.flush()
    return board
