# SPDX-License-Identifier: Apache-2.0
"""A validation as one document and as lines.

Both sets of numbers, what they were read at, and on request how sure they are.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from boxwright.infer.evaluator import Evaluation
from boxwright.infer.validation_event import class_results, measured, validated
from boxwright.metrics.confusion import MIN_IOU, precision_recall
from boxwright.metrics.curves import CONFIDENCE_GRID, READ_IOU, smoothed
from boxwright.metrics.meter import metrics_of
from boxwright.metrics.regions import confusion_of
from boxwright.metrics.resampling import Interval, bootstrap_weights, interval, resampled
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.runs.inputs.open_data import OpenData
from boxwright.track.sinks.class_table import class_record
from boxwright.track.sinks.console import footnotes, validation_lines

FEW_CLASSES = 50  # fewer than this are shown without being asked for


class Origins(NamedTuple):
    """Where the images of a split come from: titles of its sources, and the number of the source of each image. (N,)"""

    titles: tuple[str, ...]
    of_image: np.ndarray


def origins_of(data: OpenData, split: str) -> Origins | None:
    """The sources of a split, where there are several."""
    sources, index = data.dataset.sources[split], data.splits[split]
    several = len(sources) > 1 and len(index.source_of_image)
    return Origins(tuple(source.called for source in sources), index.source_of_image) if several else None


@dataclass(frozen=True)
class Asked:
    """What to tell beyond the usual. `at_conf` None, `rounds` 0 and one origin = nothing."""

    every_class: bool = False
    at_conf: float | None = None
    rounds: int = 0
    seed: int = 0
    origins: Origins | None = None


def summary(
    found: Evaluation, names: tuple[str, ...], plan: EvaluationPlan, asked: Asked
) -> tuple[list[str], dict[str, Any]]:
    """Lines for people and the document for programs."""
    event = validated(found, names, None, show_classes=asked.every_class or len(names) < FEW_CLASSES)
    lines = [*validation_lines(event), *footnotes(event)]
    document: dict[str, Any] = {
        "metrics": measured(found),
        "at": {"confidence": event.confidence, "iou": READ_IOU},
        "classes": [{**asdict(one), **class_record(one, event)} for one in class_results(found, names)],
        "speed_ms": found.speed_ms,
        "capped": {str(image): count for image, count in found.capped.items()},
        "settings": plan.shown(),
    }
    if asked.at_conf is not None:
        more, document["at_conf"] = _at(found, names, asked.at_conf)
        lines += more
    if asked.rounds:
        more, document["intervals"] = _intervals(found, names, asked)
        lines += more
    if asked.origins is not None:
        more, document["sources"] = _by_source(found, asked.origins)
        lines += more
    lines.append("speed per image: " + ", ".join(f"{value:.1f} ms {stage}" for stage, value in found.speed_ms.items()))
    return lines, document


def _at(found: Evaluation, names: tuple[str, ...], confidence: float) -> tuple[list[str], dict[str, Any]]:
    """Precision and recall of the counts above one confidence: what a user of that threshold gets."""
    flat = found.metrics.flat
    matrix = confusion_of(flat, confidence)
    precision, recall = precision_recall(matrix)
    classes = [
        {"name": name, "precision": _known(p), "recall": _known(r)}
        for name, p, r in zip(names, precision, recall, strict=True)
    ]
    right, said, true = int(np.diag(matrix)[:-1].sum()), int(matrix[:-1].sum()), int(matrix[:, :-1].sum())
    word = (
        f"above confidence {confidence:g}, at IoU {MIN_IOU}: {right} of {true} objects found, {said - right} of "
        f"{said} detections false"
    )
    return [word], {
        "confidence": confidence,
        "iou": MIN_IOU,
        "right": right,
        "objects": true,
        "detections": said,
        "classes": classes,
    }


def _by_source(found: Evaluation, origins: Origins) -> tuple[list[str], list[dict[str, Any]]]:
    """The same numbers for the images of each source alone."""
    flat = found.metrics.flat
    from_where = origins.of_image[flat.images]
    documents = []
    for number, title in enumerate(origins.titles):
        mine = metrics_of(flat.part(np.flatnonzero(from_where == number)))
        scores = {
            f"metrics/{name}": value
            for name, value in zip(("precision", "recall", "mAP_0.5", "mAP_0.5:0.95"), mine.scores, strict=True)
        }
        documents.append(
            {
                "source": title,
                "images": mine.num_images,
                "objects": mine.num_labels,
                **scores,
                **{f"coco/{name}": value for name, value in mine.coco.numbers().items()},
            }
        )
    return [
        f"{one['source']}: mAP50 {one['metrics/mAP_0.5']:.3g}, mAP50-95 {one['metrics/mAP_0.5:0.95']:.3g} "
        f"({one['images']} images, {one['objects']} objects)"
        for one in documents
    ], documents


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _intervals(found: Evaluation, names: tuple[str, ...], asked: Asked) -> tuple[list[str], dict[str, Any]]:
    flat = found.metrics.flat
    rounds = resampled(flat, bootstrap_weights(len(flat.images), asked.rounds, asked.seed))
    ranges = {"metrics/mAP_0.5": interval(rounds.mean(slice(0, 1))), "metrics/mAP_0.5:0.95": interval(rounds.mean())}
    lines = [
        f"{name.removeprefix('metrics/')} {in_words(one)} in 95 of 100 draws of these {len(flat.images)} images"
        for name, one in ranges.items()
    ]
    classes = {
        names[number]: asdict(interval(rounds.of_class(row))) for row, number in enumerate(rounds.classes.tolist())
    }
    return lines, {"rounds": asked.rounds, **{name: asdict(one) for name, one in ranges.items()}, "classes": classes}


def in_words(one: Interval) -> str:
    """A number with its range."""
    return f"{one.value:.4f} (from {one.low:.4f} to {one.high:.4f})"


def curve_document(found: Evaluation, names: tuple[str, ...]) -> dict[str, Any]:
    """The curves as plain numbers, thinned to what a screen can show."""
    curve, step = found.metrics.curves, 10
    return {
        "confidence": CONFIDENCE_GRID[::step].round(4).tolist(),
        "operating_point": curve.confidence,
        "f1_smoothed": smoothed(curve.f1.mean(axis=0))[::step].round(4).tolist() if len(curve.classes) else [],
        "classes": [
            {
                "name": names[number],
                "precision": curve.precision[row, ::step].round(4).tolist(),
                "recall": curve.recall[row, ::step].round(4).tolist(),
                "f1": curve.f1[row, ::step].round(4).tolist(),
                "recall_precision": curve.recall_precision[row, ::step].round(4).tolist(),
            }
            for row, number in enumerate(curve.classes.tolist())
        ],
    }
