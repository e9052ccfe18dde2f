# SPDX-License-Identifier: Apache-2.0
"""The folder of a `val`: confusion matrices, and what else was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from boxwright.config.schema.val import ValSettings
from boxwright.infer.evaluator import Evaluation
from boxwright.metrics.mistakes import outcomes
from boxwright.report import confusion_figure, curves_figure
from boxwright.runs.evaluation.coco_results import coco_results
from boxwright.runs.evaluation.confusion_tables import write_matrices
from boxwright.runs.evaluation.label_files import write_labels
from boxwright.runs.evaluation.mistake_files import kind_counts, write_mistakes
from boxwright.runs.evaluation.open_evaluation import OpenEvaluation, checkpoints
from boxwright.runs.inputs.coco_ids import CocoIds
from boxwright.system.files import make_folder, write_image, write_json, write_text
from boxwright.system.run_folder import RunFile, next_folder

CURVES = {
    "PR": curves_figure.pr_curve,
    "F1": curves_figure.f1_curve,
    "P": curves_figure.p_curve,
    "R": curves_figure.r_curve,
}


def new_folder(settings: ValSettings) -> Path:
    """Make the folder that the settings ask for."""
    folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
    make_folder(folder)
    return folder


def write_results(
    settings: ValSettings, opened: OpenEvaluation, found: Evaluation, ids: CocoIds, document: dict[str, Any]
) -> list[str]:
    """Write everything that was asked for, if anything was; returns lines about it."""
    labels = settings.save_txt or settings.save_hybrid
    if settings.noplots and not (labels or settings.save_json or settings.errors):
        return []
    folder, lines = new_folder(settings), []
    names, flat = opened.data.names, found.metrics.flat
    write_matrices(folder, found.metrics.confusion, names)
    if not settings.noplots:
        write_pictures(folder, found, names)
    if labels:
        write_labels(folder / "labels", flat, opened.index, confidences=settings.save_conf)
    if settings.save_json:
        first = Path(checkpoints(settings)[0])
        path = folder / f"{'best' if first.is_dir() else first.stem}_predictions.json"
        write_text(path, json.dumps(coco_results(flat, opened.index, ids)) + "\n")
        lines.append(f"COCO results in {path}, {ids.told}")
    if settings.errors:
        listed = outcomes(flat)
        write_mistakes(folder, listed, opened.index, flat, names)
        lines.append(", ".join(f"{count} {kind}" for kind, count in kind_counts(listed).items()))
    write_json(folder / "metrics.json", document)
    return [*lines, f"results in {folder}"]


def write_pictures(folder: Path, found: Evaluation, names: tuple[str, ...]) -> None:
    """The four curves, and the confusion as counts and as shares."""
    for name, figure in CURVES.items():
        write_image(folder / f"{name}_curve.png", figure(found.metrics.curves, names))
    matrix = found.metrics.confusion
    write_image(folder / RunFile.CONFUSION, confusion_figure.confusion_figure(matrix, names))
    write_image(folder / "confusion_matrix_rows.png", confusion_figure.confusion_figure(matrix, names, "row"))
    write_image(folder / "confusion_matrix_counts.png", confusion_figure.confusion_figure(matrix, names, None))
