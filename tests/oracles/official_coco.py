# SPDX-License-Identifier: Apache-2.0
"""The official COCO evaluator on the same arrays."""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from boxwright.metrics.coco import NAMES

if TYPE_CHECKING:
    from boxwright.metrics.coco import CocoInput


def as_documents(given: CocoInput, num_images: int, num_classes: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results as the official evaluator reads them.

    Numbers of annotations start at 1: 0 means 'no match' to it.
    """
    crowd = given.crowd if given.crowd is not None else np.zeros(len(given.labels), bool)
    labels = given.labels.astype(np.float64)
    areas = given.areas if given.areas is not None else (labels[:, 3:] - labels[:, 1:3]).prod(axis=1)
    annotations = [
        {
            "id": i + 1,
            "image_id": int(image),
            "category_id": int(row[0]),
            "bbox": _xywh(row[1:]),
            "area": float(area),
            "iscrowd": int(many),
        }
        for i, (image, row, area, many) in enumerate(zip(given.label_images, labels, areas, crowd, strict=True))
    ]
    results = [
        {"image_id": int(image), "category_id": int(row[5]), "bbox": _xywh(row[:4]), "score": float(row[4])}
        for image, row in zip(given.detection_images, given.detections.astype(np.float64), strict=True)
    ]
    categories = [{"id": number, "name": str(number)} for number in range(num_classes)]
    return {
        "info": {},
        "images": [{"id": i} for i in range(num_images)],
        "categories": categories,
        "annotations": annotations,
    }, results


def _xywh(corners: np.ndarray) -> list[float]:
    return [*corners[:2].tolist(), *(corners[2:] - corners[:2]).tolist()]


def official(annotations: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, float]:
    """The twelve numbers."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results) if results else COCO(), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats.tolist(), strict=True))
