# SPDX-License-Identifier: Apache-2.0
"""The content of a run's report, from its folder and one validation, as plain values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from boxwright.infer.validation_event import class_results, measured, validated
from boxwright.metrics.confusion import MIN_CONFIDENCE, MIN_IOU
from boxwright.metrics.gains import BOTH, gains
from boxwright.metrics.mistakes import MISSED, RIGHT, WRONG_CLASS, Outcome, suspects
from boxwright.metrics.resampling import bootstrap_weights, interval, resampled
from boxwright.metrics.scores import fitness
from boxwright.report.advice import Facts, advice
from boxwright.report.gallery import gallery
from boxwright.runs.evaluation.answers import curve_document
from boxwright.runs.evaluation.mistake_files import kind_counts
from boxwright.runs.evaluation.report_source import Source
from boxwright.structures.answer import counted
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.run_folder import RunFile
from boxwright.track.sinks import results_table as table
from boxwright.track.sinks.class_table import class_record

ROUNDS = 200  # draws behind the interval that the page shows
BAR_PX = 220
FULL_BAR = 0.1  # mAP50 to win that fills a bar, unless there is more
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
    doubts = suspects(listed)
    pictures = gallery(
        listed,
        [source.indexes[source.split].paths[number] for number in flat.images],
        names,
        {doubt.outcome: doubt.what for doubt in doubts},
        source.kind,
    )
    spread = interval(resampled(flat, bootstrap_weights(len(flat.images), ROUNDS, 0)).mean())
    facts = Facts(
        gains=worth,
        confused=_confused(found.metrics.confusion, names),
        coco=event.coco,
        labels_by_class=_labels_by_class(source),
        num_images=event.images,
        num_labels=event.labels,
        suspects=[doubt.certainty for doubt in doubts],
        fitness=_fitness(history),
        interval=(spread.low, spread.high),
    )
    return {
        "version": 1,
        "name": source.folder.name,
        "headline": _headline(source),
        "metrics": measured(found),
        "confidence": f"{event.confidence:.3f}",
        "cards": _cards(source, listed, (spread.low, spread.high)),
        "advice": [one._asdict() for one in advice(facts)],
        "kinds": _kinds(listed, worth),
        "sums": sums_of(listed),
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
        counted(len(source.names), "class", "classes"),
        counted(int(settings["epochs"]), "epoch") if "epochs" in settings else "? epochs",
        f"data {Path(_data_file(checkpoint)).name}",
        source.judged,
    ]
    return ", ".join(parts)


def _cards(source: Source, listed: list[Outcome], spread: tuple[float, float]) -> list[dict[str, str]]:
    """The few numbers that a newcomer needs, each with what it means. Counts are those of the mistakes below."""
    scores = source.found.metrics.scores
    right, said = (sum(one.kind == RIGHT for one in listed), sum(one.said is not None for one in listed))
    at = f"above confidence {MIN_CONFIDENCE} at IoU {MIN_IOU}, as all counts on this page"
    low, high = spread
    return [
        _card(
            f"{scores.map50_95:.3f}",
            "mAP50-95",
            f"the number to compare runs by; between {low:.3f} and {high:.3f} with other images of this kind",
        ),
        _card(f"{scores.map50:.3f}", "mAP50", "the same where a rough box is enough"),
        _card(f"{right} of {_objects(listed)}", "objects found, and rightly", at),
        _card(f"{said - right} of {said}", "detections false", at) if said else _card("none", "detections", at),
        _card(
            f"{sum(source.found.speed_ms.values()):.0f} ms",
            "per image",
            "with pre-processing and suppression, on this machine",
        ),
    ]


def _objects(listed: list[Outcome]) -> int:
    """How many objects there are: every one is right, called something else, or missed."""
    return sum(one.true is not None for one in listed)


def sums_of(listed: list[Outcome]) -> str:
    """How the counts of all kinds add up, in words."""
    counts = kind_counts(listed)
    beside = sum(counts.values()) - counts[RIGHT] - counts[WRONG_CLASS] - counts[MISSED]
    return (
        f"{counted(_objects(listed), 'object')}: {counts[RIGHT]} right, {counts[WRONG_CLASS]} of the wrong class, "
        f"{counts[MISSED]} missed. Beside them {counted(beside, 'detection')} on no object of its own: badly placed, "
        "duplicate or background."
    )


def _card(value: str, name: str, text: str) -> dict[str, str]:
    return {"value": value, "name": name, "text": text}


def _kinds(listed: list[Outcome], worth: dict[str, float]) -> list[dict[str, Any]]:
    counts = kind_counts(listed)
    rows: list[dict[str, Any]] = [
        {"kind": kind, "count": count, "gain": worth.get(kind), "width": 0} for kind, count in counts.items()
    ]
    rows.append({"kind": f"{BOTH} (counted above)", "count": "", "gain": worth[BOTH], "width": 0})
    for row in rows:
        row["width"] = bar_width(row["gain"], worth)
    return rows


def bar_width(gain: float | None, worth: dict[str, float]) -> int:
    """The length of the bar beside a gain, in pixels: none beside what is shown as 0, and a long one for much only."""
    longest = max(*worth.values(), FULL_BAR)
    return round(BAR_PX * gain / longest) if gain is not None and round(gain, 3) > 0 else 0


def _course(history: dict[str, list[float | None]], best: int | None) -> str:
    epochs = len(history.get("epoch", []))
    if not epochs:
        return "Nothing was recorded."
    marked = f"; the best one, {best + 1}, is marked" if best is not None and best >= 0 else ""
    return f"{counted(epochs, 'epoch')}, counted from 1{marked}. Thin: each epoch. Thick: smoothed."


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
