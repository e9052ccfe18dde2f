# SPDX-License-Identifier: Apache-2.0
"""`boxwright schedule`: rates, momentum, accumulation and the moving average of a planned run, batch by batch."""

from __future__ import annotations

from typing import Any

from boxwright.config.load import Resolved
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.verbs import ScheduleVerbSettings
from boxwright.engine.decay import decay
from boxwright.engine.schedule import NEVER_STEPPED, Schedule
from boxwright.structures.answer import Answer, table


def run(resolved: Resolved[ScheduleVerbSettings]) -> Answer:
    """The whole table as JSON; for people the first batch of each epoch and the end of the warm-up."""
    settings = resolved.settings
    schedule = Schedule(settings.part(ScheduleSettings), settings.batches_per_epoch, max(settings.batch_size, 1))
    rows = rows_of(schedule)
    averaged = ema_decays(schedule, rows)
    chosen = [
        row
        for row in rows
        if row["iteration"] % settings.batches_per_epoch == 0 or row["iteration"] == schedule.warmup_batches
    ]
    shown = [
        (
            *(row["epoch"], row["iteration"]),
            *(f"{row['lr'][group]:.6g}" for group in ("bias", "weight", "norm")),
            *(f"{row['momentum']:.4g}", row["accumulate"], f"{averaged[row['iteration']]:.4g}"),
        )
        for row in chosen
    ]
    header = ("epoch", "batch", "lr bias", "lr weight", "lr norm", "momentum", "accumulate", "EMA decay")
    facts = (
        f"warm-up to batch {schedule.warmup_batches}, accumulate "
        f"{schedule.accumulate}, "
        f"{sum(row['step'] for row in rows)} optimizer steps"
    )
    return Answer(
        [*table(shown, header), facts], {"rows": rows, "warmup_batches": schedule.warmup_batches, "ema_decay": averaged}
    )


def rows_of(schedule: Schedule) -> list[dict[str, Any]]:
    """One row per batch of the run."""
    rows = []
    last_step = NEVER_STEPPED
    for batch in range(schedule.settings.epochs * schedule.batches_per_epoch):
        moment = schedule.at(batch)
        steps = schedule.steps_after(batch, last_step)
        last_step = batch if steps else last_step
        rates = {"bias": moment.lr_bias, "weight": moment.lr_other, "norm": moment.lr_other}
        row = {"iteration": batch, "epoch": batch // schedule.batches_per_epoch, "lr": rates}
        rows.append({**row, "momentum": moment.momentum, "accumulate": moment.accumulate, "step": steps})
    return rows


def ema_decays(schedule: Schedule, rows: list[dict[str, Any]]) -> list[float]:
    """Share of the moving average that stays, by batch.

    Of the batch's own optimizer step, else of the last one before it.
    """
    updates, found = 0, []
    for row in rows:
        updates += row["step"]
        found.append(decay(updates, schedule.settings.ema_decay, schedule.settings.ema_ramp))
    return found
