# SPDX-License-Identifier: Apache-2.0
"""What can be told about a run. Plain values, so that everything else can be rebuilt from the event log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import Field

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
class RunStarted(Event):
    """The plan of a run, as lines for people and values for programs.

    `details` are those of the lines that a log has and nobody reads on a terminal.
    """

    folder: str
    lines: tuple[str, ...]
    first_epoch: Number
    epochs: Number
    settings: dict[str, Any] = field(default_factory=dict)
    details: tuple[str, ...] = ()

    @property
    def short_lines(self) -> tuple[str, ...]:
        """The lines without the details."""
        return tuple(line for line in self.lines if line not in self.details)


@dataclass(frozen=True)
class EpochStarted(Event):
    """An epoch begins. Numbers count from 0."""

    epoch: Number
    epochs: Number
    batches: Number
    first_batch: Number = 0


@dataclass(frozen=True)
class StepLogged(Event):
    """Where an epoch stands.

    Running means of the losses, objects and width of the last batch, memory in bytes, seconds since the epoch began.
    """

    droppable: ClassVar[bool] = True

    epoch: Number
    epochs: Number
    batch: Number
    batches: Number
    losses: tuple[float, ...]
    objects: Number
    width: Number
    memory: int
    elapsed_s: float


@dataclass(frozen=True)
class ClassResult:
    """One class of a validation."""

    name: str
    images: int
    labels: int
    precision: float
    recall: float
    map50: float
    map50_95: float
    f1: float = 0.0
    best_confidence: float = 0.0  # where its own F1 is highest
    coco: dict[str, float] = field(
        default_factory=dict
    )  # AP, AP_small, AP_medium, AP_large; -1 where there is nothing to measure


@dataclass(frozen=True)
class Validated(Event):
    """A validation: totals, classes, speed per image in milliseconds.

    Precision and recall are read at `confidence` and `iou`; `coco` holds the twelve numbers of COCO's own rule.
    """

    epoch: Number | None
    images: int
    labels: int
    precision: float
    recall: float
    map50: float
    map50_95: float
    confidence: float
    classes: tuple[ClassResult, ...]
    speed_ms: dict[str, float]
    show_classes: bool = False
    capped: int = 0
    iou: float = 0.5
    coco: dict[str, float] = field(default_factory=dict)

    @property
    def read_at(self) -> str:
        """Where precision and recall are read, in words."""
        return f"P and R at confidence {self.confidence:.3f} (highest mean F1) and IoU {self.iou:.2f}"


@dataclass(frozen=True)
class EpochEnded(Event):
    """The row of an epoch: one value per key of the results table, None where there is none.

    `final`: it is the last one, or may be, as far as patience goes.
    """

    epoch: Number
    epochs: Number
    results: dict[str, float | None]
    fitness: float | None
    best_fitness: float
    best_epoch: int
    data_wait: float
    seconds: float
    final: bool = False


@dataclass(frozen=True)
class EpochTrained(Event):
    """The batches of an epoch are through; what follows is its validation."""

    epoch: Number


@dataclass(frozen=True)
class CheckpointSaved(Event):
    """A file of weights was written."""

    path: str
    kind: str
    epoch: Number


@dataclass(frozen=True)
class Warned(Event):
    """Something the user should know, and may have to do something about."""

    text: str


@dataclass(frozen=True)
class Told(Event):
    """A line for people."""

    text: str


@dataclass(frozen=True)
class Pictured(Event):
    """A picture was written. `size_hw` in pixels."""

    path: str
    title: str
    size_hw: tuple[Number, Number] = (0, 0)


@dataclass(frozen=True)
class SystemMeasured(Event):
    """What the machine did in an epoch: share of its cores and memory in percent, memory of this process in bytes.

    `device_bytes`: the most that a batch of the epoch had reserved on a GPU.
    """

    epoch: Number
    cpu_percent: float
    memory_percent: float
    process_bytes: int
    device_bytes: int


@dataclass(frozen=True)
class ShownBox:
    """A box in pixels of the picture. `score` None: it is the truth."""

    xyxy_px: tuple[float, float, float, float]
    name: str
    number: int
    score: float | None = None


@dataclass(frozen=True)
class ShownImage:
    """A validation image as the network saw it: a picture of the run folder, the truth and the predictions."""

    path: str
    size_hw: tuple[Number, Number]
    truth: tuple[ShownBox, ...]
    predictions: tuple[ShownBox, ...]


@dataclass(frozen=True)
class BoxesShown(Event):
    """What the network saw in some validation images after an epoch."""

    epoch: Number
    names: tuple[str, ...]
    images: tuple[ShownImage, ...]


@dataclass(frozen=True)
class LabelsCounted(Event):
    """How many objects of each class there are to learn from."""

    counts: tuple[Number, ...]


@dataclass(frozen=True)
class FileWritten(Event):
    """A file of the run folder is there, whole; told again when it was written again.

    `kind`: weights, picture, record, report, predictions or log. It is told to sinks alone: the event log is one of
    these files.
    """

    path: str
    kind: str


class Ended(StrEnum):
    """How a training ended. The reason for people stands beside it, wherever it is told."""

    DONE = "done"  # all epochs are trained
    OUT_OF_PATIENCE = "out of patience"
    STOPPED = "stopped"  # by a signal, its time budget, or an observer
    ALREADY_DONE = "already done"  # before it was started: nothing was trained
    FAILED = "failed"


@dataclass(frozen=True)
class RunEnded(Event):
    """The end: why, how many epochs, how long, what is left."""

    reason: str
    epochs_done: int
    hours: float
    best_epoch: int
    best_fitness: float
    folder: str
    lines: tuple[str, ...] = ()
    ended: Ended = Ended.DONE


def epoch_ended(row: dict[str, Any], epochs: int) -> EpochEnded:
    """The event of an epoch that lies behind, from its number and results."""
    results = {key: value for key, value in row.items() if key != "epoch"}
    return EpochEnded(int(row["epoch"]), epochs, results, None, 0.0, -1, 0.0, 0.0)
