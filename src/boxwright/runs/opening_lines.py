# SPDX-License-Identifier: Apache-2.0
"""What a person wants to read before the first epoch."""

from __future__ import annotations

from typing import NamedTuple

from boxwright.engine.loop import Machinery
from boxwright.native import binary
from boxwright.runs import records
from boxwright.runs.plan import TrainPlan
from boxwright.structures.answer import counted
from boxwright.system.device import describe, loader_threads
from boxwright.system.run_folder import RunFile, RunFolder

NOVAL = "noval: only the final epoch is validated; until then there is no best.pt, and nothing stops the run early"
NOSAVE = "nosave: only the final epoch is saved; if the run is interrupted, it cannot be resumed"


class Opening(NamedTuple):
    """The plan of a run as lines; `details` are those that a log has and a terminal does without."""

    lines: tuple[str, ...]
    details: tuple[str, ...]


def opening_lines(plan: TrainPlan, folder: RunFolder | None, machines: Machinery, more: list[str]) -> Opening:
    """What matters, about ten lines; `more` stands between the network and the sizes.

    All settings are details where a folder keeps them.
    """
    train, val = (plan.data.splits[split].counts() for split in ("train", "val"))
    settings, detector = plan.settings, plan.detector
    walls = (records.settings_line(plan), records.hyp_line(plan))
    epochs, batches = settings.epochs, machines.schedule.batches_per_epoch
    lines = (
        f"boxwright: recipe {settings.recipe}, {machines.precision.name} on {describe(plan.device)}",
        *walls,
        (
            f"data: {plan.data.dataset.file}: {_images(train)} for training, {_images(val)} for validation, "
            f"{counted(plan.data.num_classes, 'class', 'classes')}"
        ),
        (
            f"network: {detector.spec.name}, {sum(p.numel() for p in detector.parameters()):,} parameters, "
            f"strides {' '.join(map(str, detector.strides))}"
        ),
        *more,
        (
            f"image sizes: {plan.train_size} train, {plan.val_size} val; "
            f"{counted(loader_threads(settings.workers), 'loader thread')}, {binary.described()}"
        ),
        (
            f"steps: training for {counted(epochs, 'epoch')} of {counted(batches, 'batch', 'batches')} of "
            f"{counted(settings.batch_size, 'image')}, {epochs * batches} in all"
        ),
        *([NOVAL] if settings.noval else []),
        *([NOSAVE] if settings.nosave else []),
        *records.about_warmup(machines.schedule),
        "logging to no folder: nothing is written"
        if folder is None
        else f"logging to {folder}; every setting is in its {RunFile.SETTINGS}",
    )
    return Opening(lines, () if folder is None else walls)


def _images(counts: dict[str, int]) -> str:
    left_out = f", {counts['skipped']} left out" if counts["skipped"] else ""
    empty = f", {counts['background']} without objects" if counts["background"] else ""
    return f"{counted(counts['used'], 'image')} with {counted(counts['boxes'], 'object')}{empty}{left_out}"
