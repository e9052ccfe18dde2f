# SPDX-License-Identifier: Apache-2.0
"""The same validation at many image sizes: `val --task study`."""

from __future__ import annotations

from typing import Any

from boxwright.config.schema.val import ValSettings
from boxwright.infer.validation_event import measured
from boxwright.report.study_figure import study_figure
from boxwright.runs.evaluation.open_evaluation import OpenEvaluation
from boxwright.runs.evaluation.val_folder import new_folder
from boxwright.runs.inputs.open_weights import fitting_size
from boxwright.structures.answer import table
from boxwright.system.files import write_image, write_json

SIZES = range(256, 1537, 128)
COLUMNS = ("metrics/mAP_0.5", "metrics/mAP_0.5:0.95", "coco/AP", "speed_ms")


def study(settings: ValSettings, opened: OpenEvaluation) -> tuple[list[str], dict[str, Any]]:
    """Lines for people and the document for programs; a picture and the document in a folder unless refused."""
    rows: list[dict[str, Any]] = []
    for wanted in SIZES:
        size, _ = fitting_size(wanted, opened.plan.grid)
        found = opened.under(imgsz=size).run()
        rows.append({"imgsz": size, **measured(found), "speed_ms": sum(found.speed_ms.values())})
    shown = [(row["imgsz"], *(f"{row[key]:.4g}" for key in COLUMNS)) for row in rows]
    lines = [*table(shown, ("size", "mAP50", "mAP50-95", "COCO AP", "ms per image"))]
    document = {"study": rows, "settings": opened.plan.shown()}
    if not settings.noplots:
        folder = new_folder(settings)
        write_json(folder / "study.json", document)
        points = {row["imgsz"]: (row["speed_ms"], row["metrics/mAP_0.5:0.95"]) for row in rows}
        write_image(folder / "study.png", study_figure(points))
        lines.append(f"results in {folder}")
    return lines, document
