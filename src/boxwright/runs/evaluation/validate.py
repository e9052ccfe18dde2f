# SPDX-License-Identifier: Apache-2.0
"""A validation, planned and run: what it depends on is taken from the checkpoint unless it is asked for otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from boxwright.config.schema.val import ValSettings
from boxwright.data.index.index import Index
from boxwright.data.sampling.batches import RectangularBatches, SquareBatches
from boxwright.data.sampling.loader import Loader
from boxwright.data.sampling.samples import PlainSamples
from boxwright.data.stores.image_store import ImageStore
from boxwright.errors import SettingError
from boxwright.geometry.nms import NmsRules
from boxwright.infer.ensemble import Ensemble, Member
from boxwright.infer.evaluator import VALIDATION_RULES, Evaluation, Evaluator, LabelRules
from boxwright.infer.exported import Exported
from boxwright.runs.inputs.open_data import OpenData, open_data
from boxwright.runs.inputs.open_weights import fitting_size, fixed_size_of, grid_of, named_weights, open_together
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.system.device import choose_device, prepare_process, usable_cores
from boxwright.system.precision import Precision, half_of

if TYPE_CHECKING:
    import torch

DEFAULTS: dict[str, Any] = {
    "imgsz": 640,
    "batch_size": 32,
    "conf_thres": 0.001,
    "iou_thres": 0.6,
    "pad": 0.5,
    "precision": "fp32",
}
SPEED = {"conf_thres": 0.25, "iou_thres": 0.45}  # as a detector is used, not as it is judged
TASK_SPLITS = {"speed": "val", "study": "val"}
STUDY_SIZES = range(256, 1537, 128)
PROOF_IMAGES, MAX_HALF_DIFFERENCE = (
    64,
    0.001,
)  # half precision is believed when so many images give the same mAP50-95 to a tenth of a point


@dataclass(frozen=True)
class ValPlan:
    """A validation, ready to run. `how` is what it depends on beside weights and data."""

    data: OpenData
    detectors: list[Member]  # one, or several that predict together
    device: torch.device
    how: dict[str, Any]
    threads: int
    notes: tuple[str, ...]


def plan_of(settings: ValSettings) -> ValPlan:
    """Everything opened and checked."""
    opened, detectors, notes = open_together(checkpoints(settings))
    weights = opened[0]
    stored = weights.checkpoint.evaluation.given() | (SPEED if settings.task == "speed" else {})
    fixed = fixed_size_of(detectors, settings.imgsz, augment=settings.augment)
    how = {key: _chosen(settings, stored, key) for key in DEFAULTS}
    how |= {
        "max_det": settings.max_det,
        "augment": settings.augment,
        "split": TASK_SPLITS.get(settings.task, settings.task),
    }
    how["data"] = settings.data or stored.get("data", "")
    if not how["data"]:
        raise SettingError("--data", "neither the command nor the checkpoint names a data set", "Give --data")
    how["single_cls"] = settings.single_cls or bool(stored.get("single_cls"))
    how |= {"agnostic_nms": settings.agnostic_nms, "nms": settings.nms, "hybrid": settings.save_hybrid}
    how["square"] = settings.square or settings.task == "speed" or fixed is not None
    data = open_data(how["data"], (how["split"],), single_class=how["single_cls"])
    how["classes"] = _class_numbers(settings.classes, data.names)
    device = choose_device(settings.device)
    _require_same_classes(weights, data, detectors[0], merged=how["single_cls"])
    how["imgsz"], note = (fixed, "") if fixed else fitting_size(how["imgsz"], grid_of(detectors[0]))
    inside = [member.path for member in detectors if isinstance(member, Exported) and member.passport.suppression]
    notes += [
        f"{path} holds its suppression and its least confidence: what these leave out is missing from the numbers"
        for path in inside
    ]
    if settings.task == "speed":
        notes.append(
            f"numbers are at confidence {how['conf_thres']:g} and up, as a detector is used; --task val judges all of "
            "its answers"
        )
    threads = settings.threads or min(
        int(stored.get("threads", 0)), usable_cores()
    )  # the last digits depend on how many there are
    return ValPlan(data, detectors, device, how, threads, tuple(n for n in (*data.notes, *notes, note) if n))


def with_half(plan: ValPlan, *, threads: int) -> ValPlan:
    """The same in half precision, if the first images say the same in both.

    What was chosen and why is recorded and said.
    """
    (half, note), asked = half_of(plan.device), plan.how["precision"]
    if half == asked or note:
        return replace(plan, notes=(*plan.notes, *([note] if note else [])))
    both = [
        evaluate(replace(plan, how=plan.how | {"precision": name}), threads=threads, most=PROOF_IMAGES).metrics
        for name in (asked, half)
    ]
    difference = abs(both[1].scores.map50_95 - both[0].scores.map50_95)
    chosen = half if difference <= MAX_HALF_DIFFERENCE else asked
    note = (
        f"validated in {chosen}: {half} moves mAP50-95 by {difference:.4f} on {both[0].num_images} images, and "
        "up "
        f"to {MAX_HALF_DIFFERENCE} is allowed"
    )
    return replace(plan, how=plan.how | {"precision": chosen, "half_difference": difference}, notes=(*plan.notes, note))


def checkpoints(settings: ValSettings) -> tuple[str, ...]:
    """The checkpoints that the settings name. Raises SettingError when there is none."""
    named = named_weights(settings)
    if not named:
        raise SettingError(
            "--weights", "no checkpoint was given", "Give a checkpoint or run folder, or several to predict together"
        )
    return named


def _chosen(settings: ValSettings, stored: dict[str, Any], key: str) -> Any:
    given = getattr(settings, key, None)
    return given if given is not None else stored.get(key, DEFAULTS[key])


def _class_numbers(words: tuple[int | str, ...], names: tuple[str, ...]) -> tuple[int, ...]:
    for word in words:
        if (isinstance(word, str) and word not in names) or (isinstance(word, int) and not 0 <= word < len(names)):
            raise SettingError("--classes", f"there is no class '{word}'", f"Classes: {', '.join(names)}")
    return tuple(names.index(word) if isinstance(word, str) else word for word in words)


def _require_same_classes(weights: OpenWeights, data: OpenData, detector: Member, *, merged: bool) -> None:
    if merged:
        return
    if detector.num_classes != data.num_classes:
        what = (
            f"the network has {detector.num_classes} classes ({', '.join(weights.names[:5])} ...), the data "
            "set "
            f"{data.num_classes}"
        )
        raise SettingError(str(weights.path), what, "Give the data set it was trained for")
    channels = data.dataset.kind.channels
    if detector.in_channels != channels:
        what = f"the network takes images of {detector.in_channels} channels, the data set has {channels}"
        raise SettingError(str(weights.path), what, "Give the data set it was trained for")


def evaluate(plan: ValPlan, *, threads: int, most: int | None = None) -> Evaluation:
    """Run the validation; `most` = leave off after so many images, with the batch that holds the last of them."""
    prepare_process(plan.device, plan.threads)
    index, how = plan.data.splits[plan.how["split"]], plan.how
    kind = plan.data.dataset.kind
    samples = PlainSamples(index, ImageStore(index, how["imgsz"], smooth=True, kind=kind))
    precision = Precision(how["precision"], plan.device)
    evaluator = Evaluator(
        num_classes=plan.data.num_classes,
        rules=_rules(how),
        samples=samples,
        autocast=precision.autocast,
        labels=LabelRules(merged=how["single_cls"], hybrid=how["hybrid"]),
    )
    batches = _order(plan, index).batches()
    if most is not None:
        batches = batches[: -(-most // how["batch_size"])]
    network = Ensemble(plan.detectors, plan.device, augment=how["augment"])
    return evaluator.run(network, Loader(samples, threads=threads, kind=kind)(batches), plan.device)


def _order(plan: ValPlan, index: Index) -> RectangularBatches | SquareBatches:
    how = plan.how
    if how["square"]:
        return SquareBatches(len(index), how["batch_size"], how["imgsz"])
    return RectangularBatches(index.sizes_wh, how["batch_size"], how["imgsz"], grid_of(plan.detectors[0]), how["pad"])


def _rules(how: dict[str, Any]) -> NmsRules:
    return replace(
        VALIDATION_RULES,
        min_score=how["conf_thres"],
        max_iou=how["iou_thres"],
        max_det=how["max_det"],
        classes=how["classes"] or None,
        agnostic=how["agnostic_nms"] or how["single_cls"],
        parity=how["nms"] == "parity",
    )
