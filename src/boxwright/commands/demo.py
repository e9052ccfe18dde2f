# SPDX-License-Identifier: Apache-2.0
"""`boxwright demo`: the packaged preset trained on the drawn sample set, and what came out of it shown."""

from __future__ import annotations

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import DemoSettings
from boxwright.runs.prediction.beside_truth import predictions_beside_truth
from boxwright.runs.result import TrainResult
from boxwright.runs.training import train
from boxwright.structures.answer import Answer, table
from boxwright.system.files import write_image
from boxwright.system.run_folder import RunFile

PICTURES = (
    (RunFile.DEMO_SHEET, "what it sees, beside what is there"),
    (RunFile.RESULTS_PICTURE, "the course of the training"),
    (RunFile.PR_CURVE, "precision against recall"),
    (RunFile.CONFUSION, "what is taken for what"),
    (RunFile.LABELS_PICTURE, "what it was trained on"),
    (RunFile.FIRST_BATCH, "the first batch, as the network saw it"),
)


def run(resolved: Resolved[DemoSettings]) -> Answer:
    """Train, draw predictions beside truth, and say where everything lies and what to type next."""
    result = train(resolved)
    settings = resolved.settings
    if not settings.noplots:
        write_image(result.folder / RunFile.DEMO_SHEET, predictions_beside_truth(result.best, settings))
    document = {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results}
    return Answer([] if settings.ndjson_console else _closing_lines(result), document)


def _closing_lines(result: TrainResult) -> list[str]:
    folder = result.folder
    pictures = [(str(folder / name), meaning) for name, meaning in PICTURES if (folder / name).exists()]
    scores = [(name, f"{value:.3f}") for key, name in _SCORES if (value := result.results.get(key)) is not None]
    return [
        "",
        *table(scores, ("on pictures it was not trained on", "")),
        "",
        *(table(pictures, ("look at", "")) if pictures else []),
        "",
        f"use it:     boxwright predict --weights {folder} --source IMAGE_OR_FOLDER",
        "your data:  boxwright train --data YOURS.yaml --cfg yolov5n --hyp small-data --imgsz 320",
    ]


_SCORES = (
    ("metrics/precision", "precision"),
    ("metrics/recall", "recall"),
    ("metrics/mAP_0.5", "mAP50"),
    ("metrics/mAP_0.5:0.95", "mAP50-95"),
)
