# SPDX-License-Identifier: Apache-2.0
"""classes.jsonl: one line per class and validation. Names stay as they are; `version` counts changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from boxwright.system.files import append_line, write_text
from boxwright.system.json_text import json_text
from boxwright.track.bus import Delivery
from boxwright.track.events import ClassResult, Event, Validated
from boxwright.track.sinks.json_lines import about, read_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

VERSION = 1


class ClassTable:
    """Writes classes.jsonl. The validation at the end of a run has the epoch null."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, path: Path) -> None:
        self.path = path

    def handle(self, event: Event) -> None:
        """Add the lines of a validation."""
        if isinstance(event, Validated) and event.classes:
            append_line(self.path, class_lines(event))

    def close(self) -> None:
        """Every line is written already."""


def class_lines(event: Validated) -> str:
    """A validation in the table."""
    return "\n".join(json_text(class_record(one, event)) for one in event.classes)


def class_record(one: ClassResult, event: Validated) -> dict[str, Any]:
    """A class as plain values; what could not be measured is null."""
    return {
        "version": VERSION,
        "epoch": event.epoch,
        "class": one.name,
        "images": one.images,
        "labels": one.labels,
        "metrics/precision": one.precision,
        "metrics/recall": one.recall,
        "metrics/F1": one.f1,
        "confidence": event.confidence,
        "iou": event.iou,
        "best_confidence": one.best_confidence,
        "metrics/mAP_0.5": one.map50,
        "metrics/mAP_0.5:0.95": one.map50_95,
        **{f"coco/{name}": value if value >= 0 else None for name, value in one.coco.items()},
    }


def cut_classes(path: Path, first_epoch: int, known: Iterable[Validated] = ()) -> str:
    """Drop the lines from an epoch on, which is about to be trained again, and those that are not whole.

    What to say of these.

    An epoch that misses lines gets all of them from what is `known` of its validation. Raises WriteError.
    """
    if not path.exists():
        return ""
    lines = read_lines(path)
    by_epoch: dict[int, list[str]] = {}
    for line, found in lines.whole:
        if type(epoch := found.get("epoch")) is int and epoch < first_epoch:
            by_epoch.setdefault(epoch, []).append(line)
    for one in known:
        if (
            one.epoch is not None
            and one.epoch < first_epoch
            and one.classes
            and len(by_epoch.get(one.epoch, ())) != len(one.classes)
        ):
            by_epoch[one.epoch] = class_lines(one).splitlines()
    write_text(path, "".join(f"{line}\n" for epoch in sorted(by_epoch) for line in by_epoch[epoch]))
    return about(path, lines.torn)
