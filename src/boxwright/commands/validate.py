# SPDX-License-Identifier: Apache-2.0
"""`boxwright val`: a checkpoint on a split. With nothing but a checkpoint it repeats the number of its training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boxwright.commands.opening import OpenData, OpenWeights, fitting_size, fixed_size_of, grid_of, open_data, open_together
from boxwright.config.load import Resolved
from boxwright.config.schema.val import ValSettings
from boxwright.data.index import Index
from boxwright.data.loader import Loader
from boxwright.data.sampler import RectangularBatches, SquareBatches
from boxwright.data.samples import Address, PlainSamples
from boxwright.data.store import ImageStore
from boxwright.errors import SettingError
from boxwright.infer.ensemble import Ensemble, Member
from boxwright.infer.evaluator import VALIDATION_RULES, Evaluation, Evaluator
from boxwright.infer.exported import Exported
from boxwright.infer.told import class_results, validated
from boxwright.report import confusion_figure, curves_figure
from boxwright.structures.answer import Answer
from boxwright.system.device import choose_device, loader_threads, prepare_process
from boxwright.system.files import make_folder, write_image, write_json
from boxwright.system.precision import Precision
from boxwright.system.run_folder import next_folder
from boxwright.track.console import validation_lines

if TYPE_CHECKING:
    from pathlib import Path

    import torch

DEFAULTS: dict[str, Any] = {"imgsz": 640, "batch_size": 32, "iou_thres": 0.6, "pad": 0.5, "precision": "fp32"}


@dataclass(frozen=True)
class ValPlan:
    """A validation, ready to run. `how` is what it depends on beside weights and data."""

    data: OpenData
    detectors: list[Member]  # one, or several that predict together
    device: torch.device
    how: dict[str, Any]
    threads: int
    notes: tuple[str, ...]


def run(resolved: Resolved[ValSettings]) -> Answer:
    """Validate and report."""
    settings = resolved.settings
    plan = plan_of(settings)
    found = evaluate(plan, threads=loader_threads(settings.workers))
    document = _document(found, plan)
    event = validated(found, plan.data.names, None, show_classes=settings.verbose or plan.data.num_classes < 50)  # noqa: PLR2004 -- the family's limit
    lines = [*validation_lines(event), _speed(found)]
    if not settings.noplots:
        folder = next_folder(settings.project, settings.name, exist_ok=settings.exist_ok, numbering="exp-exp2")
        _write(folder, found, plan, document)
        lines.append(f"results in {folder}")
    return Answer("\n".join(lines), document, plan.notes)


def plan_of(settings: ValSettings) -> ValPlan:
    """Everything opened and checked."""
    opened, detectors, notes = open_together(_checkpoints(settings))
    weights = opened[0]
    stored = weights.document.get("evaluation", {})
    fixed = fixed_size_of(detectors, settings.imgsz, augment=settings.augment)
    how = {key: _chosen(settings, stored, key) for key in DEFAULTS}
    how |= {
        "conf_thres": settings.conf_thres,
        "max_det": settings.max_det,
        "augment": settings.augment,
        "square": settings.square or fixed is not None,
        "split": settings.task,
        "data": settings.data or stored.get("data", ""),
    }
    if not how["data"]:
        raise SettingError("--data", "neither the command nor the checkpoint names a data set", "Give --data")
    single = settings.single_cls or bool(stored.get("single_cls"))
    data = open_data(how["data"], (settings.task,), single_class=single)
    device = choose_device(settings.device)
    _require_same_classes(weights, data, detectors[0])
    how["imgsz"], note = (fixed, "") if fixed else fitting_size(how["imgsz"], grid_of(detectors[0]))
    inside = [member.path for member in detectors if isinstance(member, Exported) and member.passport.suppression]
    notes += [f"{path} holds its suppression and its least confidence: what these leave out is missing from the numbers" for path in inside]
    if settings.half:
        how["precision"] = "fp16" if device.type == "cuda" else "bf16"
    return ValPlan(data, detectors, device, how, settings.threads, tuple(n for n in (*data.notes, *notes, note) if n))


def _checkpoints(settings: ValSettings) -> tuple[str, ...]:
    named = (*([settings.run] if settings.run else []), *settings.weights)
    if not named:
        raise SettingError("--weights", "no checkpoint was given", "Give a checkpoint or run folder, or several to predict together")
    return named


def _chosen(settings: ValSettings, stored: dict[str, Any], key: str) -> Any:
    given = getattr(settings, key, None)
    return given if given is not None else stored.get(key, DEFAULTS[key])


def _require_same_classes(weights: OpenWeights, data: OpenData, detector: Member) -> None:
    if detector.num_classes != data.num_classes:
        what = f"the network has {detector.num_classes} classes ({', '.join(weights.names[:5])} ...), the data set {data.num_classes}"
        raise SettingError(str(weights.path), what, "Give the data set it was trained for")


def evaluate(plan: ValPlan, *, threads: int) -> Evaluation:
    """Run the validation."""
    prepare_process(plan.device, plan.threads)
    index, how = plan.data.splits[plan.how["split"]], plan.how
    samples = PlainSamples(index, ImageStore(index, how["imgsz"], keep=False, smooth=True))
    batches = _batches(plan, index)
    rules = replace(VALIDATION_RULES, min_score=how["conf_thres"], max_iou=how["iou_thres"], max_det=how["max_det"])
    precision = Precision(how["precision"], plan.device)
    evaluator = Evaluator(num_classes=plan.data.num_classes, rules=rules, box_of=samples.to_source, autocast=precision.autocast)
    network = Ensemble(plan.detectors, plan.device, augment=how["augment"])
    return evaluator.run(network, Loader(samples, threads=threads)(batches), plan.device)


def _batches(plan: ValPlan, index: Index) -> list[list[Address]]:
    """As little padding as possible, or squares of the image size."""
    how = plan.how
    if how["square"]:
        return SquareBatches(len(index), how["batch_size"], how["imgsz"]).batches()
    return RectangularBatches(index.sizes_wh, how["batch_size"], how["imgsz"], grid_of(plan.detectors[0]), how["pad"]).batches()


def _document(found: Evaluation, plan: ValPlan) -> dict[str, Any]:
    scores = found.metrics.scores
    metrics = {
        "metrics/precision": scores.precision,
        "metrics/recall": scores.recall,
        "metrics/mAP_0.5": scores.map50,
        "metrics/mAP_0.5:0.95": scores.map50_95,
    }
    classes = [vars(one) for one in class_results(found, plan.data.names)]
    at = {"confidence": found.metrics.curves.confidence, "iou": 0.5}
    return {"metrics": metrics, "at": at, "classes": classes, "speed_ms": found.speed_ms, "settings": plan.how}


def _speed(found: Evaluation) -> str:
    return "speed per image: " + ", ".join(f"{value:.1f} ms {stage}" for stage, value in found.speed_ms.items())


def _write(folder: Path, found: Evaluation, plan: ValPlan, document: dict[str, Any]) -> None:
    make_folder(folder)
    write_json(folder / "metrics.json", document)
    names = plan.data.names
    for name, figure in (("PR", curves_figure.pr_curve), ("F1", curves_figure.f1_curve), ("P", curves_figure.p_curve), ("R", curves_figure.r_curve)):
        write_image(folder / f"{name}_curve.png", figure(found.metrics.curves, names))
    write_image(folder / "confusion_matrix.png", confusion_figure.confusion_figure(found.metrics.confusion, names))
