# SPDX-License-Identifier: Apache-2.0
"""`boxwright val`: a checkpoint on a split. With nothing but a checkpoint it repeats the number of its training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from boxwright.config.load import Resolved
from boxwright.config.schema.val import ValSettings
from boxwright.infer.evaluator import Evaluation
from boxwright.infer.validation_event import measured
from boxwright.metrics.mistakes import outcomes
from boxwright.report.study_figure import study_figure
from boxwright.runs.evaluation import files
from boxwright.runs.evaluation.answers import Asked, Origins, told
from boxwright.runs.evaluation.coco_ids import CocoIds, read_ids
from boxwright.runs.evaluation.validate import STUDY_SIZES, ValPlan, checkpoints, evaluate, plan_of, with_half
from boxwright.runs.inputs.open_weights import fitting_size, grid_of
from boxwright.structures.answer import Answer, table
from boxwright.system.device import loader_threads
from boxwright.system.files import make_folder, write_image, write_json, write_text
from boxwright.system.run_folder import next_folder


def run(resolved: Resolved[ValSettings]) -> Answer:
    """Validate and report."""
    settings = resolved.settings
    plan = plan_of(settings)
    if settings.half:
        plan = with_half(plan, threads=loader_threads(settings.workers))
    if settings.task == "study":
        return _study(settings, plan)
    ids = read_ids(settings.ids, plan.data.names)
    found = evaluate(plan, threads=loader_threads(settings.workers))
    asked = Asked(every_class=settings.verbose, at_conf=settings.at_conf, rounds=settings.ci, origins=_origins(plan))
    lines, document = told(found, plan.data.names, plan.how, asked)
    writes = settings.save_txt or settings.save_hybrid or settings.save_json or settings.errors
    if writes or not settings.noplots:
        folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
        make_folder(folder)
        lines += _write(folder, found, plan, settings, ids)
        write_json(folder / "metrics.json", document)
        lines.append(f"results in {folder}")
    return Answer(lines, document, plan.notes)


def _origins(plan: ValPlan) -> Origins | None:
    """The sources of the split, where there are several."""
    split = plan.how["split"]
    sources, index = plan.data.dataset.sources[split], plan.data.splits[split]
    return (
        Origins(tuple(source.called for source in sources), index.source_of_image)
        if len(sources) > 1 and len(index.source_of_image)
        else None
    )


def _study(settings: ValSettings, plan: ValPlan) -> Answer:
    """The same validation at many image sizes."""
    rows: list[dict[str, Any]] = []
    for wanted in STUDY_SIZES:
        size, _ = fitting_size(wanted, grid_of(plan.detectors[0]))
        found = evaluate(replace(plan, how=plan.how | {"imgsz": size}), threads=loader_threads(settings.workers))
        rows.append({"imgsz": size, **measured(found), "speed_ms": sum(found.speed_ms.values())})
    shown = [
        (
            row["imgsz"],
            *(f"{row[key]:.4g}" for key in ("metrics/mAP_0.5", "metrics/mAP_0.5:0.95", "coco/AP", "speed_ms")),
        )
        for row in rows
    ]
    lines = [*table(shown, ("size", "mAP50", "mAP50-95", "COCO AP", "ms per image"))]
    document = {"study": rows, "settings": plan.how}
    if not settings.noplots:
        folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
        make_folder(folder)
        write_json(folder / "study.json", document)
        write_image(
            folder / "study.png",
            study_figure({row["imgsz"]: (row["speed_ms"], row["metrics/mAP_0.5:0.95"]) for row in rows}),
        )
        lines.append(f"results in {folder}")
    return Answer(lines, document, plan.notes)


def _write(folder: Path, found: Evaluation, plan: ValPlan, settings: ValSettings, ids: CocoIds) -> list[str]:
    """Everything that was asked for; returns lines about it."""
    names, flat, index = plan.data.names, found.metrics.flat, plan.data.splits[plan.how["split"]]
    files.write_matrices(folder, found.metrics.confusion, names)
    lines = []
    if not settings.noplots:
        files.write_pictures(folder, found, names)
    if settings.save_txt or settings.save_hybrid:
        files.write_labels(folder / "labels", flat, index, confidences=settings.save_conf)
    if settings.save_json:
        first = Path(checkpoints(settings)[0])
        path = folder / f"{'best' if first.is_dir() else first.stem}_predictions.json"
        write_text(path, json.dumps(files.coco_results(flat, index, ids)) + "\n")
        lines.append(f"COCO results in {path}")
    if settings.errors:
        listed = outcomes(flat)
        files.write_mistakes(folder, listed, index, flat, names)
        lines.append(", ".join(f"{count} {kind}" for kind, count in files.kind_counts(listed).items()))
    return lines
