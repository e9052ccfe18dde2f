# SPDX-License-Identifier: Apache-2.0
"""The content of a run's report, from its folder and one validation, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from boxwright.infer.validation_event import class_results, measured, validated
from boxwright.metrics.confusion import MIN_CONFIDENCE
from boxwright.metrics.gains import BOTH, gains
from boxwright.metrics.mistakes import Outcome, suspects
from boxwright.metrics.regions import found_above
from boxwright.metrics.resampling import bootstrap_weights, interval, resampled
from boxwright.metrics.scores import fitness
from boxwright.report.advice import Facts, advice
from boxwright.report.gallery import gallery
from boxwright.runs.evaluation.answers import curve_document
from boxwright.runs.evaluation.mistake_files import kind_counts
from boxwright.runs.evaluation.report_source import Source
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.run_folder import RunFile
from boxwright.track.sinks import results_table as table
from boxwright.track.sinks.class_table import class_record

ROUNDS = 200  # draws behind the interval that the page shows
BAR_PX = 220
HISTORY = (
    *("metrics/mAP_0.5:0.95", "metrics/mAP_0.5", "metrics/precision", "metrics/recall"),
    *("train/box_loss", "train/obj_loss", "train/cls_loss", "val/box_loss", "val/obj_loss", "val/cls_loss", "x/lr0"),
)


def content(source: Source, listed: list[Outcome]) -> dict[str, Any]:
    """Everything the page shows."""
    found, names = source.found, source.names
    flat = found.metrics.flat
    event = validated(found, names, None, show_classes=True)
    history = history_of(source.folder)
    best = source.best_epoch
    worth = gains(flat)
    pictures = gallery(
        listed,
        [source.indexes[source.split].paths[number] for number in flat.images],
        names,
        dict(suspects(listed)),
        source.kind,
    )
    spread = interval(resampled(flat, bootstrap_weights(len(flat.images), ROUNDS, 0)).mean())
    facts = Facts(
        gains=worth,
        confused=_confused(found.metrics.confusion, names),
        coco=event.coco,
        labels_by_class=_labels_by_class(source),
        num_images=event.images,
        suspects=len(suspects(listed)),
        fitness=_fitness(history),
        interval=(spread.low, spread.high),
    )
    return {
        "version": 1,
        "name": source.folder.name,
        "headline": _headline(source),
        "metrics": measured(found),
        "confidence": f"{event.confidence:.3f}",
        "cards": _cards(source, (spread.low, spread.high)),
        "advice": [one._asdict() for one in advice(facts)],
        "kinds": _kinds(listed, worth),
        "course": _course(history, best),
        "data": _data_rows(source),
        "settings": _settings(source.checkpoint),
        "environment": _environment(source),
        "history": history,
        "best_epoch": best,
        "classes": [class_record(one, event) for one in class_results(found, names)],
        "curves": curve_document(found, names),
        "confusion": {"names": list(names), "counts": found.metrics.confusion.tolist()},
        "gallery": pictures.items,
        "worst": pictures.worst,
    }


def history_of(folder: Path) -> dict[str, list[float | None]]:
    """What the page draws of results.csv."""
    path = folder / RunFile.RESULTS
    columns = table.read(path) if path.is_file() else {}
    return {name: columns[name] for name in ("epoch", *HISTORY) if name in columns}


def _fitness(history: dict[str, list[float | None]]) -> list[float]:
    """By epoch, NaN where there was no validation."""
    columns = [
        history.get(name, [])
        for name in ("metrics/precision", "metrics/recall", "metrics/mAP_0.5", "metrics/mAP_0.5:0.95")
    ]
    return [
        float("nan") if None in row else fitness(tuple(float(value or 0) for value in row))
        for row in zip(*columns, strict=False)
    ]


def _headline(source: Source) -> str:
    checkpoint, settings = source.checkpoint, source.checkpoint.settings
    parts = [
        checkpoint.network.name or "network",
        f"{len(source.names)} classes",
        f"{settings.get('epochs', '?')} epochs",
        f"data {Path(_data_file(checkpoint)).name}",
        source.judged,
    ]
    return ", ".join(parts)


def _cards(source: Source, spread: tuple[float, float]) -> list[dict[str, str]]:
    """The few numbers that a newcomer needs, each with what it means."""
    metrics = source.found.metrics
    scores = metrics.scores
    right, said = found_above(metrics.flat, metrics.curves.confidence)
    at = f"above confidence {metrics.curves.confidence:.2f}, as P and R below"
    low, high = spread
    return [
        _card(
            f"{scores.map50_95:.3f}",
            "mAP50-95",
            f"the number to compare runs by; between {low:.2f} and {high:.2f} with other images of this kind",
        ),
        _card(f"{scores.map50:.3f}", "mAP50", "the same where a rough box is enough"),
        _card(f"{right} of {metrics.num_labels}", "objects found", at),
        _card(f"{said - right} of {said}", "detections false", at),
        _card(
            f"{sum(source.found.speed_ms.values()):.0f} ms",
            "per image",
            "with pre-processing and suppression, on this machine",
        ),
    ]


def _card(value: str, name: str, text: str) -> dict[str, str]:
    return {"value": value, "name": name, "text": text}


def _kinds(listed: list[Outcome], worth: dict[str, float]) -> list[dict[str, Any]]:
    counts = kind_counts(listed)
    most = max(max(worth.values(), default=0.0), 1e-9)
    rows: list[dict[str, Any]] = [
        {"kind": kind, "count": count, "gain": worth.get(kind), "width": 0} for kind, count in counts.items()
    ]
    rows.append({"kind": f"{BOTH} (counted above)", "count": "", "gain": worth[BOTH], "width": 0})
    for row in rows:
        row["width"] = round(BAR_PX * (row["gain"] or 0) / most)
    return rows


def _course(history: dict[str, list[float | None]], best: int | None) -> str:
    epochs = len(history.get("epoch", []))
    return (
        f"{epochs} epochs; the best one, {best}, is marked. Thin: each epoch. Thick: smoothed."
        if epochs
        else "Nothing was recorded."
    )


def _confused(matrix: np.ndarray, names: tuple[str, ...]) -> list[tuple[str, str, int]]:
    """Pairs of classes that are taken for each other: said, true, how often."""
    inner = matrix[:-1, :-1] * (1 - np.eye(len(names), dtype=matrix.dtype))
    order = np.argsort(-inner, axis=None, kind="stable")[:5]
    pairs = [(int(place) // len(names), int(place) % len(names)) for place in order]
    return [(names[said], names[true], int(inner[said, true])) for said, true in pairs if inner[said, true]]


def _labels_by_class(source: Source) -> dict[str, int]:
    index = source.indexes.get("train")
    return {} if index is None else dict(zip(source.names, index.class_counts(len(source.names)).tolist(), strict=True))


def _data_rows(source: Source) -> list[tuple[str, str]]:
    rows = [("file", _data_file(source.checkpoint))]
    for split, index in source.indexes.items():
        counts = index.counts()
        text = (
            f"{counts['used']} images, {counts['boxes']} objects, {counts['background']} images without objects, "
            f"{counts['skipped']} left out"
        )
        rows.append((split, text))
    rows += [
        (f"training objects: {name}", str(count))
        for name, count in sorted(_labels_by_class(source).items(), key=lambda pair: -pair[1])
    ]
    return rows


def _data_file(checkpoint: Checkpoint) -> str:
    return "" if checkpoint.data is None else checkpoint.data.yaml


def _settings(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    sources, values = checkpoint.sources, checkpoint.settings
    return [
        {
            "key": key,
            "value": _shown(value),
            "source": sources.get(key, ""),
            "chosen": not str(sources.get(key, "")).startswith(("built-in", "recipe")),
        }
        for key, value in sorted(values.items())
    ]


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _environment(source: Source) -> list[tuple[str, str]]:
    checkpoint = source.checkpoint
    facts = {
        "program": checkpoint.program or "",
        "checkpoint written": checkpoint.date or "",
        **checkpoint.machine,
    }
    validation = [(f"validated with {key}", _shown(value)) for key, value in checkpoint.evaluation.given().items()]
    data = checkpoint.data
    by_split = {} if data is None else data.contents or data.fingerprints
    prints = [(f"data fingerprint, {split}", value) for split, value in by_split.items()]
    note = [("mistakes counted above confidence", f"{MIN_CONFIDENCE}")]
    return [(key, str(value)) for key, value in facts.items()] + validation + prints + note
