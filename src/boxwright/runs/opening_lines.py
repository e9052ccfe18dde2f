# SPDX-License-Identifier: Apache-2.0
"""What a person wants to read before the first epoch."""

from __future__ import annotations

from boxwright.engine.loop import Machinery
from boxwright.native import binary
from boxwright.runs import records
from boxwright.runs.plan import TrainPlan
from boxwright.system.device import describe, loader_threads
from boxwright.system.run_folder import RunFolder

NOVAL = "noval: only the final epoch is validated; until then there is no best.pt, and nothing stops the run early"
NOSAVE = "nosave: only the final epoch is saved; if the run is interrupted, it cannot be resumed"


def opening_lines(plan: TrainPlan, folder: RunFolder | None, machines: Machinery, more: list[str]) -> list[str]:
    """The plan of a run as lines; `more` stands between the network and the sizes."""
    train, val = (plan.data.splits[split].counts() for split in ("train", "val"))
    settings, detector = plan.settings, plan.detector
    return [
        f"boxwright: recipe {settings.recipe}, {machines.precision.name} on {describe(plan.device)}",
        records.settings_line(plan),
        records.hyp_line(plan),
        (
            f"data: {plan.data.dataset.file}: {_counted(train)} for training, {_counted(val)} for validation, "
            f"{plan.data.num_classes} classes"
        ),
        (
            f"network: {detector.spec.name}, {sum(p.numel() for p in detector.parameters()):,} parameters, "
            f"strides {detector.strides}"
        ),
        *more,
        (
            f"image sizes {plan.train_size} train, {plan.val_size} val; {loader_threads(settings.workers)} loader "
            f"threads, {binary.described()}"
        ),
        "logging to no folder: nothing is written" if folder is None else f"logging to {folder}",
        f"training for {settings.epochs} epochs of {machines.schedule.batches_per_epoch} batches",
        *([NOVAL] if settings.noval else []),
        *([NOSAVE] if settings.nosave else []),
        *records.about_warmup(machines.schedule),
    ]


def _counted(counts: dict[str, int]) -> str:
    left_out = f", {counts['skipped']} left out" if counts["skipped"] else ""
    empty = f", {counts['background']} without objects" if counts["background"] else ""
    return f"{counts['used']} images with {counts['boxes']} objects{empty}{left_out}"
