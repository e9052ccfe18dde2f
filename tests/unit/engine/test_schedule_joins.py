# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest
from pydantic import ValidationError

from boxwright.config.assemble import resolve_train
from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.schedule import Schedule
from boxwright.runs.replan import replanned
from boxwright.structures.checkpoint import PatienceRecord, Position


def curve(epochs, *joins, **settings):
    return Schedule(ScheduleSettings(epochs=epochs, lr_joins=joins, **settings), 10, 16).factor


@pytest.mark.parametrize("shape", ["linear", "cosine"])
def test_a_stretched_curve_is_the_old_one_up_to_the_join_has_no_jump_and_ends_the_same(shape):
    old, new = curve(100, lr_curve=shape), curve(200, "stretch@50/100", lr_curve=shape)
    assert [new(x) for x in range(51)] == [old(x) for x in range(51)]
    assert new(50 + 1e-9) == pytest.approx(old(50), abs=1e-9)
    assert new(200) == pytest.approx(old(100))
    assert new(125) == pytest.approx(old(75))


def test_a_kept_level_goes_on_from_the_end_of_the_old_curve():
    old, new = curve(100), curve(150, "tail@100/100")
    assert [new(x) for x in range(100)] == [old(x) for x in range(100)]
    assert new(149) == old(100)


def test_a_restart_is_a_new_curve_over_what_is_left():
    old, new = curve(100), curve(150, "restart@100/100")
    assert [new(x) for x in range(100)] == [old(x) for x in range(100)]
    assert [new(100 + x) for x in range(50)] == [curve(50)(x) for x in range(50)]


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("shape", ["linear", "cosine"])
@pytest.mark.parametrize("done", [3, 7, 10])
def test_by_default_a_longer_run_never_jumps_up_and_ends_where_the_old_one_would(done, shape, lag):
    usual = {"hyp": "small-data", "schedule_lag": lag, "lr_curve": shape, "warmup_epochs": 0, "warmup_min_batches": 0}
    before = resolve_train({**usual, "epochs": 10}).settings
    now, told = replanned(resolve_train({**usual, "epochs": 30}), before, Position(PatienceRecord(0), epoch=done))
    old, new = (Schedule(one.part(ScheduleSettings), 10, 16) for one in (before, now.settings))
    assert [new.at(10 * epoch) for epoch in range(done)] == [old.at(10 * epoch) for epoch in range(done)]
    rates = [new.at(10 * epoch).lr_other for epoch in range(done - 1, 30)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert new.factor(30) == pytest.approx(before.lrf)
    assert rates[-1] <= old.at(99).lr_other
    assert "without a jump" in told[0]


def test_a_warm_up_that_was_cut_short_is_not_taken_up_again_when_the_run_becomes_longer():
    capped = {"warmup_cap": True, "warmup_min_batches": 100, "warmup_epochs": 3.0}
    short = Schedule(ScheduleSettings(epochs=4, **capped), 10, 16)
    longer = Schedule(ScheduleSettings(epochs=40, lr_joins=("stretch@3/4",), **capped), 10, 16)
    assert longer.warmup_batches == short.warmup_batches == 20


def test_the_periods_of_warm_restarts_go_on_when_the_run_becomes_longer():
    before, asked = (resolve_train({"sgdr": "4,1", "epochs": epochs}) for epochs in (8, 20))
    for position in (Position(PatienceRecord(0), epoch=5), Position(PatienceRecord(0), epoch=8)):
        now, told = replanned(asked, before.settings, position)
        old, new = (Schedule(one.part(ScheduleSettings), 10, 16) for one in (before.settings, now.settings))
        assert [new.factor(epoch) for epoch in range(20)] == [old.factor(epoch) for epoch in range(20)]
        assert "its periods go on" in told[0]


def test_changes_can_follow_each_other():
    new = curve(300, "stretch@50/100", "restart@200/200")
    assert new(50) == curve(100)(50)
    assert new(125) == pytest.approx(curve(100)(75))
    assert new(200) == 1


@pytest.mark.parametrize("word", ["stretch", "jump@1/2", "tail@x/3", "tail@1"])
def test_a_join_that_says_nothing_is_refused(word):
    with pytest.raises(ValidationError):
        ScheduleSettings(lr_joins=(word,))
