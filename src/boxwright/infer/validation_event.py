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
        capped=sum(found.capped.values()),
        coco=metrics.coco.numbers(),
    )


def class_results(found: Evaluation, names: tuple[str, ...]) -> list[ClassResult]:
    """One result per class that has labels."""
    curve, at = found.metrics.curves, found.metrics.curves.operating_point
    average, coco = curve.average_precision, found.metrics.coco.by_class()
    return [
        ClassResult(
            name=names[number],
            images=int(found.metrics.images_with_class[row]),
            labels=int(curve.num_labels[row]),
            precision=float(curve.precision[row, at]),
            recall=float(curve.recall[row, at]),
            map50=float(average[row, 0]),
            map50_95=float(average[row].mean()),
            f1=float(curve.f1[row, at]),
            best_confidence=float(found.metrics.best_confidence[row]),
            coco=coco[number],
        )
        for row, number in enumerate(curve.classes.tolist())
    ]


def measured(found: Evaluation) -> dict[str, float]:
    """Both sets of numbers under the names that every log uses: this family's, and COCO's own."""
    scores = found.metrics.scores
    own = {
        "metrics/precision": scores.precision,
        "metrics/recall": scores.recall,
        "metrics/mAP_0.5": scores.map50,
        "metrics/mAP_0.5:0.95": scores.map50_95,
    }
    return own | {f"coco/{name}": value for name, value in found.metrics.coco.numbers().items()}
