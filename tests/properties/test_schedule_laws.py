# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.schedule import NEVER_STEPPED, Schedule

PLANS = st.builds(
    lambda epochs, curve, floor, lag, nominal, cap, rule: ScheduleSettings(
        epochs=epochs,
        lr_curve=curve,
        warmup_min_batches=floor,
        schedule_lag=lag,
        nominal_batch=nominal,
        warmup_cap=cap,
        step_rule=rule,
    ),
    st.integers(1, 12),
    st.sampled_from(["linear", "cosine"]),
    st.sampled_from([0, 100, 1000]),
    st.sampled_from([0, 1]),
    st.sampled_from([16, 32, 64]),
    st.booleans(),
    st.sampled_from(["since-last", "modulo"]),
)


@given(PLANS, st.integers(1, 80), st.sampled_from([1, 4, 16, 64, 128]))
def test_rates_stay_between_0_and_their_highest_level_and_accumulation_is_whole(settings, batches, batch_size):
    schedule = Schedule(settings, batches, batch_size)
    highest = max(settings.lr0, settings.warmup_bias_lr)
    for batch in range(0, settings.epochs * batches, 7):
        moment = schedule.at(batch)
        assert 0 <= moment.lr_other <= settings.lr0 + 1e-12
        assert 0 <= moment.lr_bias <= highest + 1e-12
        assert 1 <= moment.accumulate <= max(round(settings.nominal_batch / batch_size), 1)


@given(PLANS, st.integers(1, 60))
def test_with_a_warm_up_the_first_batch_is_a_step_and_without_one_the_first_full_group_is(settings, batches):
    schedule = Schedule(settings, batches, 16)
    if schedule.warmup_batches > 0 or settings.step_rule == "modulo":
        assert schedule.steps_after(0, NEVER_STEPPED)
    else:
        assert schedule.steps_after(schedule.accumulate - 1, NEVER_STEPPED)


@given(PLANS, st.integers(1, 40))
def test_a_capped_warm_up_ends_by_the_middle_of_the_run(settings, batches):
    capped = settings.model_copy(update={"warmup_cap": True})
    assert Schedule(capped, batches, 16).warmup_batches <= settings.epochs * batches / 2


def test_without_lag_an_epoch_runs_at_its_own_level():
    lagging, clean = (Schedule(ScheduleSettings(epochs=10, schedule_lag=lag), 200, 64) for lag in (1, 0))
    batch = 6 * 200
    assert lagging.at(batch).lr_other == pytest.approx(0.01 * lagging.factor(5))
    assert clean.at(batch).lr_other == pytest.approx(0.01 * clean.factor(6))


def test_warm_restarts_return_to_the_peak_at_the_start_of_every_period():
    schedule = Schedule(ScheduleSettings(epochs=100, sgdr="10,2"), 10, 16)
    assert [schedule.factor(epoch) for epoch in (0, 10, 30, 70)] == pytest.approx([1, 1, 1, 1])
    assert schedule.factor(9.999) == pytest.approx(0.01, abs=1e-4)
    assert schedule.factor(5) == pytest.approx((1 + 0.01) / 2)


def test_each_next_peak_can_be_lower():
    schedule = Schedule(ScheduleSettings(epochs=100, sgdr="10,1", sgdr_peak=0.5), 10, 16)
    assert [schedule.factor(epoch) for epoch in (0, 10, 20)] == pytest.approx([1, 0.5, 0.25])


def test_the_straight_line_of_2021_reaches_its_end_in_the_last_epoch():
    schedule = Schedule(ScheduleSettings(epochs=10, linear_lr=True, linear_ends_in_last_epoch=True, lrf=0.1), 10, 16)
    assert schedule.factor(9) == pytest.approx(0.1)
