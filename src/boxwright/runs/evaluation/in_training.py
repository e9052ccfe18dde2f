# SPDX-License-Identifier: Apache-2.0
"""Validation inside a training and at its end: its network, who hears of it, and what is remembered of the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxwright.engine.services import ValidationLeftError
from boxwright.infer.evaluator import Evaluation, IncompleteError, Seen
from boxwright.infer.validation_event import measured, validated
from boxwright.loss.detection import DetectionLoss
from boxwright.metrics.curves import READ_IOU
from boxwright.metrics.scores import BestBy
from boxwright.model.detector import Detector
from boxwright.model.fuse import fused
from boxwright.runs.evaluation.evaluate import ValidationData, evaluate
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.runs.evaluation.shown_boxes import ShownBoxes
from boxwright.structures.batch import Batch
from boxwright.system.distributed.world import World
from boxwright.system.files import WriteError
from boxwright.track.events import LOSS_NAMES, Event, Warned
from boxwright.track.sinks.callbacks import Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np

KEPT_BATCHES = 3  # of which pictures are made


@dataclass
class RunValidation:
    """Validates the average of a training; remembers the last outcome and, when asked, its first batches."""

    data: ValidationData
    names: tuple[str, ...]
    loss: DetectionLoss
    tell: Callable[[Event], None]
    best_by: BestBy
    leave: Callable[[], bool] = lambda: False  # whether a stop was asked for
    observers: Observers = field(default_factory=Observers)
    world: World = field(default_factory=World)  # the processes that share its batches
    parts: int = 1  # parts a batch has to be run in to fit in memory
    shown: ShownBoxes | None = None  # to trackers
    last: Evaluation | None = None
    numbers: dict[str, float | None] = field(default_factory=dict)  # of the last one, all that a run can be judged by
    kept: list[Seen] = field(default_factory=list)

    @property
    def plan(self) -> EvaluationPlan:
        """How epochs are validated."""
        return self.data.plan

    def __call__(
        self, network: Detector, epoch: int | None, *, per_class: bool, keep: bool, plan: EvaluationPlan | None = None
    ) -> tuple[dict[str, float | None], float]:
        """Results by key, and the fitness. `plan` = judged otherwise than the epochs."""
        self.observers.call("on_val_start")
        shown = self.shown if self.shown is not None and self.shown.due(epoch) else None
        hooks = _RunHooks(self, keep, shown)
        hooks.begin()
        self.world.send_(network.buffers(), "average")  # its statistics may differ between processes
        try:
            found = evaluate(self.data.under(plan or self.plan), fused(network), hooks, world=self.world)
        except ValidationLeftError:
            if self.world.is_several:
                self.world.gather_arrays({}, "validation")  # where the others wait who are through
            raise
        except IncompleteError:
            raise ValidationLeftError from None
        self.last = found
        self.tell(validated(found, self.names, epoch, show_classes=per_class))
        if shown is not None and epoch is not None:
            self.tell(shown.event(epoch))
        results = results_of(found)
        self.numbers = results | {"fitness": found.metrics.scores.fitness}
        self.observers.call("on_val_end")
        return results, self.best_by(self.numbers)

    @property
    def read_at(self) -> dict[str, float] | None:
        """Where precision and recall of the last validation are read."""
        return None if self.last is None else {"confidence": self.last.metrics.curves.confidence, "iou": READ_IOU}

    @property
    def thresholds(self) -> dict[str, float]:
        """By class name, the confidence at which its F1 was highest in the last validation."""
        if self.last is None:
            return {}
        metrics = self.last.metrics
        return {
            self.names[number]: float(value)
            for number, value in zip(metrics.curves.classes, metrics.best_confidence, strict=True)
        }

    @property
    def class_maps(self) -> np.ndarray | None:
        """mAP50-95 per class of the last validation."""
        return None if self.last is None else self.last.metrics.map_by_class


@dataclass(frozen=True)
class _RunHooks:
    """What a run does while it validates: observers, a stop that was asked for, smaller parts when memory runs out."""

    run: RunValidation
    keep: bool
    shown: ShownBoxes | None

    def begin(self) -> None:
        """Nothing was seen yet."""
        self.run.kept = []
        if self.shown is not None:
            self.shown.begin()

    @property
    def loss(self) -> DetectionLoss:
        return self.run.loss

    @property
    def seen(self) -> Callable[[Seen], None] | None:
        return self._seen if self.keep or self.run.observers or self.shown is not None else None

    def batches(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The validation batches, in parts where they have to be."""
        for batch in batches:
            if self.run.leave():
                raise ValidationLeftError
            self.run.observers.call("on_val_batch_start")
            size = -(-len(batch) // self.run.parts)
            for first in range(0, len(batch), size):
                yield batch if size == len(batch) else batch.part(first, first + size)

    def made_smaller(self, largest: int) -> bool:
        """Twice as many parts from now on, unless every image is one already."""
        run = self.run
        if run.parts >= largest:
            return False
        run.parts *= 2
        self.begin()
        run.tell(
            Warned(
                f"out of memory in validation; each batch is validated in {run.parts} parts from now on, with the "
                "same boxes"
            )
        )
        return True

    def _seen(self, seen: Seen) -> None:
        if self.keep and seen.number < KEPT_BATCHES:
            self.run.kept.append(Seen(seen.number, seen.batch.copied(), seen.rows))
        if self.shown is not None:
            self._show(self.shown, seen)
        for _ in seen.rows:
            self.run.observers.call("on_val_image_end")
        self.run.observers.call("on_val_batch_end")

    def _show(self, shown: ShownBoxes, seen: Seen) -> None:
        """A disk that is full costs the pictures alone."""
        try:
            shown.take(seen)
        except WriteError as error:
            self.run.tell(Warned(f"{error} Trackers get no more validation images from this start"))
            self.run.shown = None


def results_of(found: Evaluation) -> dict[str, float | None]:
    """The columns of the results table that a validation fills."""
    losses = dict(zip((f"val/{name}" for name in LOSS_NAMES), found.losses or (), strict=False))
    return {**measured(found), **losses}
