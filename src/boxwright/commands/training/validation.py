# SPDX-License-Identifier: Apache-2.0
"""Validation inside a training and at its end: the evaluator, what it tells, and the pictures of the last one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from boxwright.commands.training.assembly import ValidationData
from boxwright.geometry.nms import NmsRules
from boxwright.infer.evaluator import Evaluation, Evaluator, Seen
from boxwright.infer.told import measured, validated
from boxwright.loss.detection import DetectionLoss
from boxwright.metrics.scores import BestBy
from boxwright.model.detector import Detector
from boxwright.model.fuse import fused
from boxwright.system.precision import Precision
from boxwright.track.events import LOSS_NAMES, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

KEPT_BATCHES = 3  # of which pictures are made


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
    last: Evaluation | None = None
    numbers: dict[str, float | None] = field(default_factory=dict)  # of the last one, all that a run can be judged by
    kept: list[Seen] = field(default_factory=list)

    def __call__(
        self, network: Detector, epoch: int | None, *, per_class: bool, keep: bool, rules: NmsRules | None = None
    ) -> tuple[dict[str, float | None], float]:
        """Results by key, and the fitness."""
        self.kept = []
        evaluator = Evaluator(
            num_classes=len(self.names),
            rules=rules or self.rules,
            box_of=self.data.samples.to_source,
            autocast=self.precision.autocast,
            seen=self._keep if keep else None,
        )
        found = evaluator.run(fused(network), self.data.loader(self.data.batches.batches()), self.device, self.loss)
        self.last = found
        self.tell(validated(found, self.names, epoch, show_classes=per_class))
        results = results_of(found)
        self.numbers = results | {"fitness": found.metrics.scores.fitness}
        return results, self.best_by(self.numbers)

    def _keep(self, seen: Seen) -> None:
        if seen.number < KEPT_BATCHES:
            self.kept.append(Seen(seen.number, seen.batch.copied(), seen.rows))

    @property
    def thresholds(self) -> dict[str, float]:
        """By class name, the confidence at which its F1 was highest in the last validation."""
        if self.last is None:
            return {}
        metrics = self.last.metrics
        return {self.names[number]: float(value) for number, value in zip(metrics.curves.classes, metrics.best_confidence, strict=True)}

    @property
    def class_maps(self) -> np.ndarray | None:
        """mAP50-95 per class of the last validation."""
        return None if self.last is None else self.last.metrics.map_by_class


def results_of(found: Evaluation) -> dict[str, float | None]:
    """The columns of the results table that a validation fills."""
    losses = dict(zip((f"val/{name}" for name in LOSS_NAMES), found.losses or (), strict=False))
    return {**measured(found), **losses}
