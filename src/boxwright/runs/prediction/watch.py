# SPDX-License-Identifier: Apache-2.0
"""Streams through the network, several at once, until each has ended or the user stops it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.data.pixels.channels import of_picture
from boxwright.infer.streams import StreamRules, Streams
from boxwright.runs.prediction.one_batch import Prediction
from boxwright.runs.prediction.predicted import StreamCount

if TYPE_CHECKING:
    from collections.abc import Sequence


def watch(words: Sequence[str], prediction: Prediction) -> None:
    """Predict on the pictures of streams as they come. What never gave one is left out; an interrupt says how far."""
    writer, found = prediction.writer, prediction.found
    asked = writer.settings
    rules = StreamRules(asked.every_frame, asked.vid_stride, asked.reconnect)
    kind = prediction.predictor.kind
    with Streams(words, rules, prediction.tell) as streams:
        try:
            for pictures in streams:
                batch = {frame: of_picture(pixels, kind) for frame, pixels in pictures}
                for part in [{frame: pixels} for frame, pixels in batch.items()] if asked.visualize else [batch]:
                    prediction(part)
                if not writer.is_wanted:
                    prediction.tell("the window was closed")
                    break
        except KeyboardInterrupt as stop:
            stop.add_note("; ".join(count_line(path, one) for path, one in found.streams.items()) or "no picture came")
            if found.folder is not None and found.streams:
                stop.add_note(f"results in {found.folder}")
            raise
    for path, why in streams.failed.items():
        found.leave_out(path, why)


def count_line(path: str, one: StreamCount) -> str:
    """A stream and what was in it, for people."""
    counts = ", ".join(f"{count} {name}" for name, count in one.counts.items()) or "nothing found"
    return f"{path}: {one.pictures} pictures, {counts}"
