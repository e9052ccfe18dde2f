# SPDX-License-Identifier: Apache-2.0
"""`--dry-run`: the whole plan of a training in words. Nothing is made, nothing is written."""

from __future__ import annotations

import math
from typing import Any

from boxwright.config.schema.optimizer import OptimizerSettings
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.freezing import trains
from boxwright.engine.optimizer import parameter_groups
from boxwright.engine.schedule import NEVER_STEPPED, Schedule
from boxwright.runs import estimate, records
from boxwright.runs.folder import folder_of
from boxwright.runs.plan import TrainPlan
from boxwright.structures.answer import Answer, table
from boxwright.system.device import configured_process, describe


def planned(plan: TrainPlan) -> Answer:
    """The plan as text and as a document."""
    with configured_process(plan.device, plan.settings.threads):
        return _planned(plan)


def _planned(plan: TrainPlan) -> Answer:
    settings = plan.settings
    images = len(plan.data.splits["train"])
    batches = math.ceil(images / settings.batch_size)
    schedule = Schedule(settings.part(ScheduleSettings), batches, settings.batch_size)
    folder = folder_of(plan)
    groups = parameter_groups(plan.detector, settings.decay_rule)
    steps = optimizer_steps(schedule)
    memory, duration = estimate.memory_of(plan), estimate.time_of(plan, batches, steps)
    parts = [
        ["dry run: nothing is written", f"recipe {settings.recipe} on {describe(plan.device)}, run folder {folder}"],
        [
            *table(records.settings_rows(plan), ("setting", "value", "from")),
            "all others are built in or the recipe's: `boxwright config show` names them",
        ],
        *([[*plan.notes, *plan.lines]] if plan.notes or plan.lines else []),
        [f"data: {plan.data.dataset.file}", *_data(plan)],
        [
            f"network: {plan.detector.spec.name}, grid {plan.grid}, sizes {plan.train_size} train, {plan.val_size} val",
            *_rows(plan),
        ],
        [
            (
                f"optimizer: {settings.part(OptimizerSettings).optimizer}, {groups}; weight decay "
                f"{settings.weight_decay * schedule.weight_decay_factor:.6g}"
            )
        ],
        [
            (
                f"{settings.epochs} epochs of {batches} batches of {settings.batch_size}, {steps} optimizer steps, "
                "warm-up "
                f"to batch {schedule.warmup_batches}"
            )
        ],
        [*_schedule(schedule), *records.about_warmup(schedule)],
        estimate.lines_of(plan, memory, duration),
    ]
    lines = [line for part in parts for line in (*part, "")][:-1]
    document: dict[str, Any] = {
        "folder": str(folder),
        "settings": settings.model_dump(mode="json"),
        "sources": plan.resolved.places(),
        "data": {split: index.counts() for split, index in plan.data.splits.items()},
        "parameters": sum(p.numel() for p in plan.detector.parameters()),
        "batches_per_epoch": batches,
        "optimizer_steps": steps,
        "warmup_batches": schedule.warmup_batches,
        "estimate": estimate.document_of(memory, duration),
    }
    return Answer(lines, document)


def optimizer_steps(schedule: Schedule) -> int:
    """Optimizer steps of a whole run."""
    last, count = NEVER_STEPPED, 0
    for batch in range(schedule.settings.epochs * schedule.batches_per_epoch):
        if schedule.steps_after(batch, last):
            last, count = batch, count + 1
    return count


def _data(plan: TrainPlan) -> list[str]:
    keys = ("used", "background", "skipped", "boxes")
    return table(
        [(split, *(index.counts()[key] for key in keys)) for split, index in plan.data.splits.items()], ("split", *keys)
    )


def _rows(plan: TrainPlan) -> list[str]:
    return table(
        [(name, f"{total:,}", f"{training:,}") for name, total, training in trains(plan.detector)],
        ("row", "parameters", "trained"),
    )


def _schedule(schedule: Schedule) -> list[str]:
    epochs = range(schedule.settings.epochs)
    shown = [
        epoch
        for epoch in epochs
        if epoch < 5 or epoch % max(len(epochs) // 10, 1) == 0 or epoch + 1 == len(epochs)  # noqa: PLR2004 -- the warm-up is of interest
    ]
    rows = []
    for epoch in shown:
        now = schedule.at(epoch * schedule.batches_per_epoch)
        rows.append((epoch, f"{now.lr_bias:.6g}", f"{now.lr_other:.6g}", f"{now.momentum:.4g}", now.accumulate))
    return table(rows, ("epoch", "lr bias", "lr others", "momentum", "accumulate"))
