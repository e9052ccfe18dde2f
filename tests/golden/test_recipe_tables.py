# SPDX-License-Identifier: Apache-2.0
"""Every batch of a planned run, for each recipe, against its formulas written down a second time, in plain words.

And loops.
"""

from __future__ import annotations

import math

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.schedule import Schedule
from boxwright.engine.schedule_table import rows_of

EPOCHS, BATCH = 10, 16


def half_even(value: float) -> int:
    below = math.floor(value)
    rest = value - below
    if rest == 0.5:
        return below if below % 2 == 0 else below + 1
    return below + (rest > 0.5)


def old_cosine(lrf):
    return lambda x: (1 + math.cos(math.pi * x / EPOCHS)) / 2 * (1 - lrf) + lrf


def new_cosine(lrf):
    return lambda x: (1 - math.cos(math.pi * x / EPOCHS)) / 2 * (lrf - 1) + 1


def line(lrf):
    return lambda x: (1 - x / EPOCHS) * (1 - lrf) + lrf


def short_line(lrf):
    return lambda x: (1 - x / (EPOCHS - 1)) * (1 - lrf) + lrf


# nominal batch, curve, warm-up floor, bias start, momentum start, step rule; lr0 0.01 and momentum 0.937 in all of them
ERAS = {
    "2020.7": (32, old_cosine(0.1), 1000, 0.1, 0.9, "modulo"),
    "2020.8": (64, old_cosine(0.2), 1000, 0.1, 0.9, "modulo"),
    "6.0": (64, new_cosine(0.1), 1000, 0.1, 0.8, "since-last"),
    "6.2": (64, line(0.01), 100, 0.1, 0.8, "since-last"),
    "7.0": (64, line(0.01), 100, 0.1, 0.8, "since-last"),
}
FLAGS = {
    "6.0": ({"linear_lr": True}, short_line(0.1)),
    "6.2": ({"cos_lr": True}, new_cosine(0.01)),
    "7.0": ({"cos_lr": True}, new_cosine(0.01)),
}


def derived(recipe: str, nb: int, curve):
    """The loop as the formulas tell it.

    Batch by batch, epoch by epoch, with a scheduler that moves at an epoch's end.
    """
    nominal, _, floor, bias_start, momentum_start, rule = ERAS[recipe]
    nw = max(half_even(3 * nb), floor)
    accumulate = max(half_even(nominal / BATCH), 1)
    level = curve(0)  # what the scheduler set last; the first epoch runs at f(0)
    bias = other = 0.01 * level
    momentum = 0.937
    last_step = -1
    for epoch in range(EPOCHS):
        for i in range(nb):
            ni = i + nb * epoch
            if ni <= nw:
                share = ni / nw
                accumulate = max(1, half_even(1 + share * (nominal / BATCH - 1)))
                goal = 0.01 * curve(epoch)
                bias, other = bias_start + share * (goal - bias_start), share * goal
                momentum = momentum_start + share * (0.937 - momentum_start)
            step = ni % accumulate == 0 if rule == "modulo" else ni - last_step >= accumulate
            last_step = ni if step else last_step
            yield ni, epoch, bias, other, momentum, accumulate, step
        bias = other = 0.01 * curve(epoch)  # the scheduler of all five trainers is one epoch late


@pytest.mark.parametrize("nb", [50, 3000])
@pytest.mark.parametrize(
    ("recipe", "flags", "curve"),
    [*((name, {}, era[1]) for name, era in ERAS.items()), *((name, *other) for name, other in FLAGS.items())],
    ids=lambda value: "" if callable(value) else str(value),
)
def test_every_batch_of_every_recipe_follows_its_formulas(recipe, flags, curve, nb):
    settings = resolve_train({"recipe": recipe, "epochs": EPOCHS, "batch_size": BATCH, **flags}).settings
    rows = rows_of(Schedule(settings.part(ScheduleSettings), nb, BATCH))
    assert len(rows) == nb * EPOCHS
    for row, (ni, epoch, bias, other, momentum, accumulate, step) in zip(rows, derived(recipe, nb, curve), strict=True):
        assert (row["iteration"], row["epoch"], row["accumulate"], row["step"]) == (ni, epoch, accumulate, step), row
        lr = row["lr"]
        assert (lr["bias"], lr["weight"], lr["norm"], row["momentum"]) == pytest.approx(
            (bias, other, other, momentum), abs=1e-12
        ), row


@pytest.mark.parametrize(
    ("recipe", "batch", "accumulate", "decay"),
    [
        ("2020.7", 16, 2, 5e-4),
        ("2020.7", 6, 5, 5e-4 * 30 / 32),
        ("7.0", 16, 4, 5e-4),
        ("7.0", 6, 11, 5e-4 * 66 / 64),
        ("7.0", 128, 1, 1e-3),
        ("6.0", 26, 2, 5e-4 * 52 / 64),
    ],
)
def test_accumulation_and_weight_decay_follow_the_batch(recipe, batch, accumulate, decay):
    settings = resolve_train({"recipe": recipe, "batch_size": batch}).settings
    schedule = Schedule(settings.part(ScheduleSettings), 50, batch)
    assert schedule.accumulate == accumulate
    assert settings.weight_decay * schedule.weight_decay_factor == pytest.approx(decay)
