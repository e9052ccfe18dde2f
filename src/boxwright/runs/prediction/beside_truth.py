# SPDX-License-Identifier: Apache-2.0
"""Predictions beside the truth: what a network says of validation images, and what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boxwright.config.schema.train import TrainSettings
from boxwright.data.index.index import Record
from boxwright.data.pixels.channels import for_eyes, read_pixels
from boxwright.geometry.nms import NmsRules
from boxwright.report.contact import contact_sheet
from boxwright.runs.inputs.open_data import open_data
from boxwright.runs.prediction.open_predictor import predictor_of

if TYPE_CHECKING:
    from pathlib import Path

SHOWN_IMAGES = 12
# What is shown to people: predictions that are meant. Suppression is stricter than in validation, where recall counts.
RULES = NmsRules(min_score=0.25, max_iou=0.45)


def predictions_beside_truth(weights: Path, settings: TrainSettings) -> np.ndarray:
    """The first validation images with their labels and with what the network says. -> (H, W, 3) uint8 RGB"""
    opened = open_data(settings.data, ("val",), single_class=settings.single_cls)
    index, kind = opened.splits["val"], opened.dataset.kind
    predictor, _ = predictor_of((str(weights),), settings.device, None, threads=settings.threads)
    records = [index[image] for image in range(min(SHOWN_IMAGES, len(index)))]
    images = [read_pixels(record.path, kind) for record in records]
    found = predictor(images, RULES, [record.path for record in records])
    truths = [_truth(record) for record in records]
    return contact_sheet([for_eyes(image) for image in images], found, truths, max_images=SHOWN_IMAGES)


def _truth(record: Record) -> np.ndarray:
    """Rows class, x1, y1, x2, y2 in pixels of the file. (L, 5)"""
    return np.concatenate((record.classes[:, None], record.corners_px(record.boxes_cxcywh_norm)), axis=1)
