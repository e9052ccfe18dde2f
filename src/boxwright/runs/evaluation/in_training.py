# SPDX-License-Identifier: Apache-2.0
"""Validation inside a training and at its end: the evaluator, what it tells, and the pictures of the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from boxwright.data.sampling.batches import RectangularBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import PlainSamples
from boxwright.engine.services import ValidationLeftError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.evaluator import Evaluation, Evaluator, Seen
from boxwright.infer.validation_event import measured, validated
from boxwright.loss.detection import DetectionLoss
from boxwright.metrics.curves import READ_IOU
from boxwright.metrics.scores import BestBy
from boxwright.model.detector import Detector
from boxwright.model.fuse import fused
from boxwright.structures.batch import Batch
from boxwright.system.device import is_out_of_memory, release_memory
from boxwright.system.precision import Precision
from boxwright.track.events import LOSS_NAMES, Event, Warned
from boxwright.track.sinks.callbacks import Observers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import torch

KEPT_BATCHES = 3  # of which pictures are made


@dataclass(frozen=True)
class ValidationData:
    """The validation side of the data."""

    loader: Loader
    samples: PlainSamples
    batches: RectangularBatches


@dataclass
class RunValidation:
    """Validates the average of a training; remembers the last outcome and, when asked, its first batches."""

    data: ValidationData
    names: tuple[str, ...]
    rules: NmsRules
    loss: DetectionLoss
    precision: Precision
    device: torch.device
    tell: Callable[[Event], None]
    best_by: BestBy
    leave: Callable[[], bool] = lambda: False  # whether a stop was asked for
    observers: Observers = field(default_factory=Observers)
    parts: int = 1  # parts a batch has to be run in to fit in memory
    last: Evaluation | None = None
    numbers: dict[str, float | None] = field(default_factory=dict)  # of the last one, all that a run can be judged by
    kept: list[Seen] = field(default_factory=list)

    def __call__(
        self, network: Detector, epoch: int | None, *, per_class: bool, keep: bool, rules: NmsRules | None = None
    ) -> tuple[dict[str, float | None], float]:
        """Results by key, and the fitness."""
        self.kept = []
        self.observers.call("on_val_start")
        evaluator = Evaluator(
            num_classes=len(self.names),
            rules=rules or self.rules,
            samples=self.data.samples,
            autocast=self.precision.autocast,
            seen=partial(self._seen, keep=keep) if keep or self.observers else None,
        )
        found = self._evaluated(evaluator, fused(network))
        self.last = found
        self.tell(validated(found, self.names, epoch, show_classes=per_class))
        results = results_of(found)
        self.numbers = results | {"fitness": found.metrics.scores.fitness}
        self.observers.call("on_val_end")
        return results, self.best_by(self.numbers)

    def _evaluated(self, evaluator: Evaluator, network: Detector) -> Evaluation:
        """The evaluation, begun anew with smaller parts when memory runs out."""
        while True:
            try:
                return evaluator.run(network, self._batches(), self.device, self.loss)
            except (RuntimeError, MemoryError) as error:
                size = max(len(addresses) for addresses in self.data.batches.batches())
                if not is_out_of_memory(error) or self.parts >= size:
                    raise
            release_memory(self.device)
            self.parts *= 2
            self.kept = []
            self.tell(
                Warned(
                    f"out of memory in validation; each batch is validated in {self.parts} parts from now on, with the "
                    "same boxes"
                )
            )

    def _batches(self) -> Iterator[Batch]:
        """The validation batches, in parts where they have to be."""
        for batch in self.data.loader(self.data.batches.batches()):
            if self.leave():
                raise ValidationLeftError
            self.observers.call("on_val_batch_start")
            size = -(-len(batch) // self.parts)
            for first in range(0, len(batch), size):
                yield batch if size == len(batch) else batch.part(first, first + size)

    def _seen(self, seen: Seen, *, keep: bool) -> None:
        if keep and seen.number < KEPT_BATCHES:
            self.kept.append(Seen(seen.number, seen.batch.copied(), seen.rows))
        for image, rows in zip(seen.batch.image_numbers, seen.rows, strict=True):
            self.observers.call("on_val_image_end", self.data.samples.index.paths[image], rows)
        self.observers.call("on_val_batch_end")

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


def results_of(found: Evaluation) -> dict[str, float | None]:
    """The columns of the results table that a validation fills."""
    losses = dict(zip((f"val/{name}" for name in LOSS_NAMES), found.losses or (), strict=False))
    return {**measured(found), **losses}
