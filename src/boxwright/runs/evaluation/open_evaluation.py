# SPDX-License-Identifier: Apache-2.0
"""Checkpoints and data set of a validation, opened and checked, and the validation of what was opened."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from boxwright.config.schema.val import ValSettings
from boxwright.data.index.index import Index
from boxwright.errors import SettingError
from boxwright.infer.ensemble import Ensemble, Member
from boxwright.infer.evaluator import Evaluation
from boxwright.infer.exported import Exported
from boxwright.runs.evaluation.evaluate import evaluate, prepare
from boxwright.runs.evaluation.plan import EvaluationPlan
from boxwright.runs.inputs.class_match import Matching, about_columns, columns, matching_of
from boxwright.runs.inputs.open_data import OpenData, open_data
from boxwright.runs.inputs.open_weights import (
    fixed_size_of,
    named_weights,
    open_together,
    require_squares,
    size_of_use,
)
from boxwright.runs.inputs.run_place import data_of_run, place_of_run
from boxwright.runs.inputs.weight_files import OpenWeights
from boxwright.system.device import choose_device, configured_process, loader_threads
from boxwright.system.distributed.world import World
from boxwright.system.precision import half_of

if TYPE_CHECKING:
    import torch

# Half precision is believed when so many images give the same mAP50-95 to a tenth of a point.
PROOF_IMAGES, MAX_HALF_DIFFERENCE = 64, 0.001

SHOWN_NAMES = 5  # of classes, in a message


@dataclass(frozen=True)
class OpenEvaluation:
    """A validation, ready to run. `workers` are the threads that read images."""

    plan: EvaluationPlan
    data: OpenData
    detectors: list[Member]  # one, or several that predict together
    device: torch.device
    workers: int
    notes: tuple[str, ...]
    columns: tuple[tuple[int, ...] | None, ...] = ()  # which class of each network stands for those of the data
    world: World = field(default_factory=World)  # the processes that share the images

    @property
    def index(self) -> Index:
        """The split that is validated on."""
        return self.data.splits[self.plan.split]

    def under(self, **changes: Any) -> OpenEvaluation:
        """The same with some values of its plan changed."""
        return replace(self, plan=replace(self.plan, **changes))

    def noting(self, *notes: str) -> OpenEvaluation:
        """The same with more to say to the user."""
        return replace(self, notes=(*self.notes, *notes))

    def run(self, most: int | None = None) -> Evaluation:
        """Validate; `most` = leave off after so many images."""
        with configured_process(self.device, self.plan.threads):
            split = prepare(self.plan, self.data, self.device, threads=self.workers)
            network = Ensemble(self.detectors, self.device, augment=self.plan.augment, columns=self.columns)
            return evaluate(split, network, most=most, world=self.world)


def open_evaluation(settings: ValSettings) -> OpenEvaluation:
    """Open and check what `val` is asked for; what it is not asked for is as in the training.

    Raises SettingError, DataError or WeightsError.
    """
    opened, detectors, notes = open_together(
        checkpoints(settings), batch=settings.batch_size, image_size=settings.imgsz
    )
    weights = opened[0]
    fixed = fixed_size_of(detectors, settings.imgsz, augment=settings.augment)
    require_squares(detectors)
    plan = EvaluationPlan.from_settings(settings, weights.checkpoint.evaluation.given())
    if not plan.data:
        raise SettingError("--data", "neither the command nor the checkpoint names a data set", "Give --data")
    starts = () if settings.data else place_of_run(weights).starts
    if not settings.data:
        plan = replace(plan, data=data_of_run(weights, plan.data))
    data = open_data(plan.data, (plan.split,), single_class=plan.single_cls, starts=starts)
    classes = _class_numbers(settings.classes, data.names)
    device = choose_device(settings.device)
    columns, about_classes = _same_classes(opened, data, detectors[0], matching_of(settings), merged=plan.single_cls)
    grid, size, note = size_of_use(weights.checkpoint.evaluation, detectors[0], settings.imgsz, plan.imgsz)
    size, note = (fixed, "") if fixed else (size, note)
    plan = replace(
        plan,
        classes=classes,
        grid=grid,
        imgsz=size,
        square=plan.square or fixed is not None,
        dtype=data.dataset.kind.depth,
    )
    notes = [
        *data.notes,
        *notes,
        *about_classes,
        *_limits(detectors, plan, timed=settings.task == "speed"),
        *([note] if note else []),
    ]
    found = OpenEvaluation(plan, data, detectors, device, loader_threads(settings.workers), tuple(notes), columns)
    return with_half(found) if settings.half else found


def _limits(detectors: list[Member], plan: EvaluationPlan, *, timed: bool) -> list[str]:
    """What the numbers do not tell of, in words."""
    inside = [member.path for member in detectors if isinstance(member, Exported) and member.passport.suppression]
    found = [
        f"{path} holds its suppression and its least confidence: what these leave out is missing from the numbers"
        for path in inside
    ]
    if timed:
        found.append(
            f"numbers are at confidence {plan.conf_thres:g} and up, as a detector is used; --task val judges all of "
            "its answers"
        )
    return found


def with_half(found: OpenEvaluation) -> OpenEvaluation:
    """The same in half precision, if the first images say the same in both.

    What was chosen and why is recorded and said.
    """
    (half, note), asked = half_of(found.device), found.plan.precision
    if half == asked or note:
        return found.noting(*([note] if note else []))
    both = [found.under(precision=name).run(PROOF_IMAGES).metrics for name in (asked, half)]
    difference = abs(both[1].scores.map50_95 - both[0].scores.map50_95)
    chosen = half if difference <= MAX_HALF_DIFFERENCE else asked
    return found.under(precision=chosen, half_difference=difference).noting(
        f"validated in {chosen}: {half} moves mAP50-95 by {difference:.4f} on {both[0].num_images} images, and up to "
        f"{MAX_HALF_DIFFERENCE} is allowed"
    )


def checkpoints(settings: ValSettings) -> tuple[str, ...]:
    """The checkpoints that the settings name. Raises SettingError when there is none."""
    named = named_weights(settings)
    if not named:
        raise SettingError(
            "--weights", "no checkpoint was given", "Give a checkpoint or run folder, or several to predict together"
        )
    return named


def _class_numbers(words: tuple[int | str, ...], names: tuple[str, ...]) -> tuple[int, ...]:
    for word in words:
        if (isinstance(word, str) and word not in names) or (isinstance(word, int) and not 0 <= word < len(names)):
            raise SettingError("--classes", f"there is no class '{word}'", f"Classes: {', '.join(names)}")
    return tuple(names.index(word) if isinstance(word, str) else word for word in words)


def _same_classes(
    opened: list[OpenWeights], data: OpenData, detector: Member, matching: Matching, *, merged: bool
) -> tuple[tuple[tuple[int, ...] | None, ...], list[str]]:
    """For each network which of its classes stand for those of the data, and what to say of it.

    Raises SettingError where that cannot be told, or the pictures are of another kind.
    """
    if merged:
        return (), []
    channels, where = data.dataset.kind.channels, str(opened[0].path)
    if detector.in_channels != channels:
        what = f"the network takes images of {detector.in_channels} channels, the data set has {channels}"
        raise SettingError(where, what, "Give the data set it was trained for")
    if detector.num_classes != data.num_classes and matching != "name":
        what = (
            f"the network has {detector.num_classes} classes ({_begun(opened[0].names)}), the data set "
            f"{data.num_classes}"
        )
        raise SettingError(where, what, "Give the data set it was trained for, or --match-names to go by name")
    file, found, notes = str(data.dataset.file), [], []
    for weights in opened:
        mine = columns(weights.names, data.names, str(weights.path), file, matching)
        found.append(mine)
        notes += about_columns(mine, data.names, str(weights.path))
    return tuple(found), notes


def _begun(names: tuple[str, ...]) -> str:
    """The first of them, and whether there are more."""
    return ", ".join((*names[:SHOWN_NAMES], *(["..."] if len(names) > SHOWN_NAMES else [])))
