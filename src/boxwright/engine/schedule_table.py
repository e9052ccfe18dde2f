# SPDX-License-Identifier: Apache-2.0
"""A planned run as a table: rates, momentum, accumulation and the moving average, batch by batch."""

from __future__ import annotations

from typing import Any

from boxwright.engine.schedule import NEVER_STEPPED, Schedule, ema_decay
from boxwright.structures.answer import table

GROUPS = ("bias", "weight", "norm")
HEADER = ("epoch", "batch", *(f"lr {group}" for group in GROUPS), "momentum", "accumulate", "EMA decay")


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
        found.append(ema_decay(updates, schedule.settings.ema_decay, schedule.settings.ema_ramp))
    return found


def table_of(schedule: Schedule) -> tuple[list[str], dict[str, Any]]:
    """Every batch as a document; for people the first batch of each epoch and the end of the warm-up."""
    rows = rows_of(schedule)
    averaged = ema_decays(schedule, rows)
    shown = [
        (
            *(row["epoch"], row["iteration"]),
            *(f"{row['lr'][group]:.6g}" for group in GROUPS),
            *(f"{row['momentum']:.4g}", row["accumulate"], f"{averaged[row['iteration']]:.4g}"),
        )
        for row in rows
        if row["iteration"] % schedule.batches_per_epoch == 0 or row["iteration"] == schedule.warmup_batches
    ]
    steps = sum(row["step"] for row in rows)
    facts = f"warm-up to batch {schedule.warmup_batches}, accumulate {schedule.accumulate}, {steps} optimizer steps"
    document = {"rows": rows, "warmup_batches": schedule.warmup_batches, "ema_decay": averaged}
    return [*table(shown, HEADER), facts], document
