# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch

from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine import ema
from boxwright.engine.patience import Patience
from boxwright.engine.schedule import NEVER_STEPPED, Schedule, ema_decay
from tests.support import golden

NUMBERS = golden.arrays("sched")
CASES = golden.document("sched")
WARM = [name for name in NUMBERS.files if name.startswith("warm_")]


def test_the_decay_of_the_average_equals_the_reference():
    mine = [ema_decay(int(updates)) for updates in NUMBERS["ema_updates"]]
    assert np.abs(mine - NUMBERS["ema_decay"]).max() < 1e-12


def test_a_stream_of_averages_equals_the_reference():
    network = torch.nn.Linear(3, 2, bias=False)
    torch.nn.init.zeros_(network.weight)
    average = ema.Ema(network)
    for given, reference in zip(NUMBERS["ema_stream_in"], NUMBERS["ema_stream_out"], strict=True):
        network.weight.data = torch.from_numpy(given)
        average.update(network)
        assert np.abs(average.network.weight.numpy() - reference).max() < 1e-6


@pytest.mark.parametrize("epochs", [10, 100, 300])
@pytest.mark.parametrize(("curve", "short"), [("cosine", "cos"), ("linear", "lin")])
def test_rate_curves_equal_the_reference(epochs, curve, short):
    schedule = Schedule(ScheduleSettings(epochs=epochs, lr_curve=curve), 10, 16)
    mine = [schedule.factor(epoch) for epoch in range(epochs + 1)]
    assert np.abs(mine - NUMBERS[f"{short}_{epochs}"]).max() < 1e-12


@pytest.mark.parametrize("name", WARM)
def test_every_batch_of_a_run_equals_the_reference(name):
    case = CASES[name.replace("_cos", "")]
    settings = ScheduleSettings(epochs=case["epochs"], cos_lr="_cos" in name)
    schedule = Schedule(settings, case["nb"], case["batch"])
    assert schedule.warmup_batches == case["nw"]
    assert 0.0005 * schedule.weight_decay_factor == pytest.approx(case["weight_decay"], rel=1e-12)
    last_step = NEVER_STEPPED
    rows = []
    for batch in range(case["nb"] * case["epochs"]):
        moment = schedule.at(batch)
        steps = schedule.steps_after(batch, last_step)
        last_step = batch if steps else last_step
        rows.append(
            (
                batch,
                batch // case["nb"],
                moment.lr_bias,
                moment.lr_other,
                moment.lr_other,
                moment.momentum,
                moment.accumulate,
                steps,
            )
        )
    assert np.abs(np.array(rows, float) - NUMBERS[name]).max() < 1e-12


def test_early_stopping_equals_the_reference():
    patience = Patience(7)
    rows = []
    for epoch, fitness in enumerate(NUMBERS["stop_fitness"]):
        patience = patience.after(epoch, fitness)
        rows.append((patience.stop, patience.possible_stop, patience.best_epoch))
    assert (np.array(rows, int) == NUMBERS["stop_flags_patience7"]).all()
