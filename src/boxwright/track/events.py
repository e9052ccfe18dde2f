# SPDX-License-Identifier: Apache-2.0
"""What can be told about a run. Plain values, so that everything else can be rebuilt from the event log.

What stands behind the type of a field is its meaning and unit, and with the docstring what docs/reference/events.md
says of it. Programs of others read these: see `VERSION`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

from boxwright.version import __version__

# Of the lines that events are written as. Within a version fields and events are added; none changes or goes.
VERSION = 1
FORMAT = "boxwright events"
LOSS_NAMES = ("box_loss", "obj_loss", "cls_loss")
Number = Annotated[int, Field(ge=0, lt=1 << 31)]  # of an epoch, a batch, or of many of them
RESULT_KEYS = (
    *(f"train/{name}" for name in LOSS_NAMES),
    "metrics/precision",
    "metrics/recall",
    "metrics/mAP_0.5",
    "metrics/mAP_0.5:0.95",
    *(f"val/{name}" for name in LOSS_NAMES),
    "x/lr0",
    "x/lr1",
    "x/lr2",
)


@dataclass(frozen=True)
class Event:
    """Something that happened. `droppable`: a sink that is behind can do without it."""

    droppable: ClassVar[bool] = False

    def record(self) -> dict[str, Any]:
        """As one line of the event log."""
        return {"event": type(self).__name__, **asdict(self)}


@dataclass(frozen=True)
class StreamStarted(Event):
    """The first line of a stream, and in a file the first one of every process that adds to it."""

    format: Annotated[str, "always `boxwright events`"] = FORMAT
    version: Annotated[int, "version of the format of the lines behind it"] = VERSION
    program: Annotated[str, "who writes it"] = f"boxwright {__version__}"


@dataclass(frozen=True)
class RunStarted(Event):
    """A run begins, or goes on: its plan, as lines for people and values for programs."""

    folder: Annotated[str, "the run folder; empty where nothing is written"]
    lines: Annotated[tuple[str, ...], "what the console says before the first epoch"]
    first_epoch: Annotated[Number, "the epoch it begins in, counted from 0; epochs from this one on are made again"]
    epochs: Annotated[Number, "how many there will be at most"]
    settings: Annotated[dict[str, Any], "every setting by its key"] = field(default_factory=dict)
    details: Annotated[tuple[str, ...], "those of the lines that a log has and a terminal does without"] = ()

    @property
    def short_lines(self) -> tuple[str, ...]:
        """The lines without the details."""
        return tuple(line for line in self.lines if line not in self.details)


@dataclass(frozen=True)
class EpochStarted(Event):
    """An epoch begins."""

    epoch: Annotated[Number, "which one, counted from 0"]
    epochs: Annotated[Number, "how many there will be at most"]
    batches: Annotated[Number, "batches of an epoch"]
    first_batch: Annotated[Number, "the batch it begins with, counted from 0; above 0 where a run goes on"] = 0


@dataclass(frozen=True)
class StepLogged(Event):
    """Where an epoch stands. In events.jsonl there is only the last one of each epoch."""

    droppable: ClassVar[bool] = True

    epoch: Annotated[Number, "which one, counted from 0"]
    epochs: Annotated[Number, "how many there will be at most"]
    batch: Annotated[Number, "the batch that was trained last, counted from 0"]
    batches: Annotated[Number, "batches of an epoch"]
    losses: Annotated[tuple[float, ...], "means over the epoch so far: box, objectness, class"]
    objects: Annotated[Number, "objects in that batch"]
    width: Annotated[Number, "width of the images of that batch, in pixels"]
    memory: Annotated[int, "held on the device, in bytes; 0 where that cannot be asked, as on a CPU"]
    elapsed_s: Annotated[float, "seconds since the epoch began or went on"]


@dataclass(frozen=True)
class ClassResult:
    """One class of a validation."""

    name: Annotated[str, "name of the class"]
    images: Annotated[int, "images that show it"]
    labels: Annotated[int, "objects of it"]
    precision: Annotated[float, "from 0 to 1, at the confidence and IoU of the validation"]
    recall: Annotated[float, "from 0 to 1, at the same place"]
    map50: Annotated[float, "average precision at IoU 0.5, from 0 to 1"]
    map50_95: Annotated[float, "its mean over IoU 0.5 to 0.95, from 0 to 1"]
    f1: Annotated[float, "from 0 to 1, at the same place as precision"] = 0.0
    best_confidence: Annotated[float, "confidence at which its own F1 is highest"] = 0.0
    coco: Annotated[
        dict[str, float], "by COCO's rule: AP, AP_small, AP_medium, AP_large; -1 where there is nothing to measure"
    ] = field(default_factory=dict)


@dataclass(frozen=True)
class Validated(Event):
    """A validation: totals and every class."""

    epoch: Annotated[Number | None, "the epoch behind which, counted from 0; null at the end of the run"]
    images: Annotated[int, "images of the split"]
    labels: Annotated[int, "objects in them"]
    precision: Annotated[float, "mean over classes, from 0 to 1"]
    recall: Annotated[float, "mean over classes, from 0 to 1"]
    map50: Annotated[float, "mean average precision at IoU 0.5, from 0 to 1"]
    map50_95: Annotated[float, "its mean over IoU 0.5 to 0.95, from 0 to 1"]
    confidence: Annotated[float, "where precision and recall are read: the one of the highest mean F1"]
    classes: Annotated[tuple[ClassResult, ...], "every class that has objects"]
    speed_ms: Annotated[dict[str, float], "milliseconds for an image, by what was done"]
    show_classes: Annotated[bool, "whether the console shows the classes"] = False
    capped: Annotated[int, "candidates of low confidence that the cap for an image left out"] = 0
    iou: Annotated[float, "the IoU from which on a box counts as found, for precision and recall"] = 0.5
    coco: Annotated[dict[str, float], "the twelve numbers of COCO's own rule; -1 where there is nothing to measure"] = (
        field(default_factory=dict)
    )

    @property
    def read_at(self) -> str:
        """Where precision and recall are read, in words."""
        return f"P and R at confidence {self.confidence:.3f} (highest mean F1) and IoU {self.iou:.2f}"


@dataclass(frozen=True)
class EpochEnded(Event):
    """The row of an epoch in the results table."""

    epoch: Annotated[Number, "which one, counted from 0"]
    epochs: Annotated[Number, "how many there will be at most"]
    results: Annotated[
        dict[str, float | None], "by the column names of results.csv; null or left out where nothing was measured"
    ]
    fitness: Annotated[float | None, "what epochs are compared by; null without a validation"]
    best_fitness: Annotated[float, "the highest so far"]
    best_epoch: Annotated[int, "the epoch of the highest, counted from 0; -1 before any validation"]
    data_wait: Annotated[float, "share of the time that was spent waiting for images, from 0 to 1"]
    seconds: Annotated[float, "seconds that its batches took, without the validation"]
    final: Annotated[bool, "whether it is the last one, or may be as far as patience goes"] = False


@dataclass(frozen=True)
class EpochTrained(Event):
    """The batches of an epoch are through; what follows is its validation. Not in events.jsonl."""

    epoch: Annotated[Number, "which one, counted from 0"]


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A file of weights was written."""

    path: Annotated[str, "where it lies"]
    kind: Annotated[str, "what for: last, best, epochN, or best_NAME"]
    epoch: Annotated[Number, "which one, counted from 0"]


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, and may have to do something about."""

    text: Annotated[str, "one line"]


@dataclass(frozen=True)
class Told(Event):
    """A line for people."""

    text: Annotated[str, "one line"]


@dataclass(frozen=True)
class Pictured(Event):
    """A picture was written."""

    path: Annotated[str, "where it lies"]
    title: Annotated[str, "what it shows"]
    size_hw: Annotated[tuple[Number, Number], "height and width in pixels"] = (0, 0)


@dataclass(frozen=True)
class SystemMeasured(Event):
    """What the machine did in an epoch. Told where a tracker was asked for."""

    epoch: Annotated[Number, "which one, counted from 0"]
    cpu_percent: Annotated[float, "share of all cores of the machine that were busy, in percent"]
    memory_percent: Annotated[float, "share of the memory of the machine that was in use, in percent"]
    process_bytes: Annotated[int, "memory of this process"]
    device_bytes: Annotated[int, "the most that a batch of the epoch had reserved on a GPU"]


@dataclass(frozen=True)
class ShownBox:
    """A box in a picture."""

    xyxy_px: Annotated[tuple[float, float, float, float], "left, top, right, bottom, in pixels of the picture"]
    name: Annotated[str, "name of the class"]
    number: Annotated[int, "number of the class"]
    score: Annotated[float | None, "from 0 to 1; null for the truth"] = None


@dataclass(frozen=True)
class ShownImage:
    """A validation image as the network saw it."""

    path: Annotated[str, "where the picture lies"]
    size_hw: Annotated[tuple[Number, Number], "height and width in pixels"]
    truth: Annotated[tuple[ShownBox, ...], "what is there, as below"]
    predictions: Annotated[tuple[ShownBox, ...], "what was found, as below"]


@dataclass(frozen=True)
class BoxesShown(Event):
    """What the network saw in some validation images after an epoch. Told where a tracker was asked for."""

    epoch: Annotated[Number, "which one, counted from 0"]
    names: Annotated[tuple[str, ...], "the classes, in the order of their numbers"]
    images: Annotated[tuple[ShownImage, ...], "the images, as below"]


@dataclass(frozen=True)
class LabelsCounted(Event):
    """How many objects there are to learn from."""

    counts: Annotated[tuple[Number, ...], "objects of each class, in the order of the class numbers"]


@dataclass(frozen=True)
class FileWritten(Event):
    """A file of the run folder is there, whole; told again when it was written again. Not in events.jsonl."""

    path: Annotated[str, "where it lies"]
    kind: Annotated[str, "what it is: weights, picture, record, report, predictions or log"]


class Ended(StrEnum):
    """How a training ended. The reason for people stands beside it, wherever it is told."""

    DONE = "done"  # all epochs are trained
    OUT_OF_PATIENCE = "out of patience"
    STOPPED = "stopped"  # by a signal, its time budget, or an observer
    ALREADY_DONE = "already done"  # before it was started: nothing was trained
    FAILED = "failed"


@dataclass(frozen=True)
class RunEnded(Event):
    """The end of a run, or of what stopped it. A process that is killed leaves none."""

    reason: Annotated[str, "why, in words; of a failure its one line"]
    epochs_done: Annotated[int, "epochs that are trained, those before a resume among them"]
    hours: Annotated[float, "hours that this start of the run took"]
    best_epoch: Annotated[int, "the epoch of the highest fitness, counted from 0; -1 without any"]
    best_fitness: Annotated[float, "the highest fitness"]
    folder: Annotated[str, "the run folder; empty where there is none"]
    lines: Annotated[tuple[str, ...], "what the console says at the end"] = ()
    ended: Annotated[Ended, "how it ended"] = Ended.DONE
    exit_code: Annotated[int, "exit code of the command"] = 0


def epoch_ended(row: dict[str, Any], epochs: int) -> EpochEnded:
    """The event of an epoch that lies behind, from its number and results."""
    results = {key: value for key, value in row.items() if key != "epoch"}
    return EpochEnded(int(row["epoch"]), epochs, results, None, 0.0, -1, 0.0, 0.0)
