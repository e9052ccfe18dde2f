# SPDX-License-Identifier: Apache-2.0
"""A validation as an event: totals and classes as plain values."""

from __future__ import annotations

from boxwright.infer.evaluator import Evaluation
from boxwright.track.events import ClassResult, Validated


def validated(found: Evaluation, names: tuple[str, ...], epoch: int | None, *, show_classes: bool) -> Validated:
    """What to tell of a validation."""
    metrics = found.metrics
    return Validated(
        epoch=epoch,
        images=metrics.num_images,
        labels=metrics.num_labels,
        precision=metrics.scores.precision,
        recall=metrics.scores.recall,
        map50=metrics.scores.map50,
        map50_95=metrics.scores.map50_95,
        confidence=metrics.curves.confidence,
        classes=tuple(class_results(found, names)),
        speed_ms={stage: round(value, 3) for stage, value in found.speed_ms.items()},
        show_classes=show_classes,
        capped=found.capped,
    )


def class_results(found: Evaluation, names: tuple[str, ...]) -> list[ClassResult]:
    """One result per class that has labels."""
    curve, at = found.metrics.curves, found.metrics.curves.operating_point
    average = curve.average_precision
    return [
        ClassResult(
            name=names[number],
            images=int(found.metrics.images_with_class[row]),
            labels=int(curve.num_labels[row]),
            precision=float(curve.precision[row, at]),
            recall=float(curve.recall[row, at]),
            map50=float(average[row, 0]),
            map50_95=float(average[row].mean()),
        )
        for row, number in enumerate(curve.classes.tolist())
    ]
