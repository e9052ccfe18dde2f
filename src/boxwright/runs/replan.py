# SPDX-License-Identifier: Apache-2.0
"""A run that goes on under another plan.

How the rate continues, and where the position lies in batches of another size.
"""

from __future__ import annotations

import math
from dataclasses import replace

from boxwright.config.load import Resolved
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.engine.schedule import Schedule
from boxwright.errors import SettingError
from boxwright.structures.checkpoint import Position

PLACE = "--resume"


def replanned(
    resolved: Resolved[TrainSettings], before: TrainSettings, position: Position
) -> tuple[Resolved[TrainSettings], list[str]]:
    """The settings with the curve of another number of epochs, and what to say about it.

    A number that the run has behind it already means that many more.
    """
    settings, done = resolved.settings, position.epoch + (1 if position.batch else 0)
    if settings.epochs == before.epochs:
        return resolved, []
    lines = []
    epochs = settings.epochs
    if epochs <= position.epoch:
        epochs = done + settings.epochs
        lines.append(
            f"{done} epochs are done, and --epochs {settings.epochs} asks for no more than that: {settings.epochs} "
            f"more follow, up to {epochs}"
        )
    kind = settings.extend if settings.extend != "auto" else "periods" if settings.sgdr else "stretch"
    # The curve of a finished run has its last epoch left to be stretched: from the level where it stood to its end.
    joined = min(done, before.epochs - 1) if kind == "stretch" else done
    changed = settings.model_copy(
        update={"epochs": epochs, "lr_joins": (*before.lr_joins, f"{kind}@{joined}/{before.epochs}")}
    )
    words = {
        "stretch": "the rest of its curve is stretched, without a jump and to the same end",
        "tail": "its curve ends as planned, and the last level is kept",
        "restart": "a new curve begins at lr0",
        "periods": "its periods go on",
    }
    asked = "" if kind == "periods" else f" (--extend {kind})"
    lines.append(
        f"{before.epochs} epochs become {epochs}; learning rate from epoch {done + 1} on: {words[kind]}{asked}"
        f"{_levels(before, changed, done)}"
    )
    return replace(resolved, settings=changed), lines


def _levels(before: TrainSettings, now: TrainSettings, done: int) -> str:
    """From which rate to which, as shares of lr0; the curve alone, since a warm-up may still hold it down."""
    was, levels = max(done - 1 - before.schedule_lag, 0), max(done - now.schedule_lag, 0)
    old, new = Schedule(before.part(ScheduleSettings), 1, 1), Schedule(now.part(ScheduleSettings), 1, 1)
    last = max(now.epochs - 1 - now.schedule_lag, 0)
    return f": {old.factor(was):.3g} of lr0 before, then {new.factor(levels):.3g} to {new.factor(last):.3g}"


def in_other_batches(position: Position, images: int, before: int, now: int) -> Position:
    """The position of a run in batches of another size: the same images are behind it.

    Raises SettingError where there is no such place.
    """
    if before == now:
        return position
    old_length, new_length = math.ceil(images / before), math.ceil(images / now)
    seen = position.batch * before
    if position.batch == old_length:
        batch = new_length
    elif seen % now == 0:
        batch = seen // now
    else:
        fitting = [size for size in range(1, before * 2 + 1) if seen % size == 0 and size != before]
        what = f"the run stands inside epoch {position.epoch + 1} behind image {seen}, which is no multiple of {now}"
        raise SettingError(
            "batch_size",
            what,
            f"Take one of {', '.join(map(str, fitting))}, or go on with {before} until the epoch ends",
        )
    waited = (
        position.epoch * old_length + position.batch - position.last_step
    )  # batches since the last step, counted to the next one
    number = position.epoch * new_length + batch
    return replace(position, batch=batch, last_step=number - max(1, round(waited * before / now)), parts=1)
