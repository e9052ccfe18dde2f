# SPDX-License-Identifier: Apache-2.0
"""`boxwright demo`: the packaged preset trained on the drawn sample set, and what came out of it shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.commands.predict import predictor_of
from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
from boxwright.config.schema.verbs import DemoSettings
from boxwright.data.index.index import Index
from boxwright.data.pixels.channels import for_eyes, read_pixels
from boxwright.geometry.boxes import cxcywh_norm_to_xyxy_px
from boxwright.geometry.nms import NmsRules
from boxwright.report.contact import contact_sheet
from boxwright.runs.inputs.open_data import open_data
from boxwright.runs.result import TrainResult
from boxwright.runs.training import train
from boxwright.structures.answer import Answer, table
from boxwright.system.files import write_image
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from pathlib import Path

SHOWN_IMAGES = 12
# What is shown to people: predictions that are meant. Suppression is stricter than in validation, where recall counts.
RULES = NmsRules(min_score=0.25, max_iou=0.45)

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
        write_image(result.folder / RunFile.DEMO_SHEET, predictions_beside_truth(result.best, settings.data, settings))
    document = {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results}
    return Answer(_closing_lines(result), document)


def predictions_beside_truth(weights: Path, data: str, settings: TrainSettings) -> np.ndarray:
    """The first validation images with their labels and with what the network says. -> (H, W, 3) uint8 RGB"""
    opened = open_data(data, ("val",), single_class=settings.single_cls)
    index, kind = opened.splits["val"], opened.dataset.kind
    predictor, _ = predictor_of((str(weights),), settings.device, None, threads=settings.threads)
    records = [index[image] for image in range(min(SHOWN_IMAGES, len(index)))]
    images = [read_pixels(record.path, kind) for record in records]
    found = predictor(images, RULES, [record.path for record in records])
    truths = [_truth(index, image) for image in range(len(records))]
    return contact_sheet([for_eyes(image) for image in images], found, truths, max_images=SHOWN_IMAGES)


def _truth(index: Index, image: int) -> np.ndarray:
    """Rows class, x1, y1, x2, y2 in pixels of the file. (L, 5)"""
    record = index[image]
    corners = cxcywh_norm_to_xyxy_px(record.boxes_cxcywh_norm.astype(np.float64), record.size_wh[::-1])
    return np.concatenate((record.classes[:, None], corners), axis=1)


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
