# SPDX-License-Identifier: Apache-2.0
"""A run that goes on under another plan.

How the rate continues, and where the position lies in batches of another size.
"""

from __future__ import annotations

import math
from dataclasses import replace

from boxwright.config.load import Resolved
from boxwright.config.schema.train import TrainSettings
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
    kind = settings.extend if settings.extend != "auto" else ("stretch" if done < before.epochs else "restart")
    if kind == "stretch" and done >= before.epochs:
        raise SettingError(
            "--extend", "the curve of a finished run is at its end, there is nothing to stretch", "Give tail or restart"
        )
    join = f"{kind}@{done}/{before.epochs}"
    words = {
        "stretch": "the rest of its curve is stretched, without a jump and to the same end",
        "tail": "its curve ends as planned, and the last level is kept",
        "restart": "a new curve begins at lr0",
    }
    lines.append(
        f"{before.epochs} epochs become {epochs}; learning rate from epoch {done + 1} on: {words[kind]} "
        f"(--extend {kind})"
    )
    changed = settings.model_copy(update={"epochs": epochs, "lr_joins": (*before.lr_joins, join)})
    return replace(resolved, settings=changed), lines


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
