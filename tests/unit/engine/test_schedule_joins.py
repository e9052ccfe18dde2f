# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from pydantic import ValidationError

from boxwright.config.schema.schedule import ScheduleSettings
from boxwright.engine.schedule import Schedule


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


def test_changes_can_follow_each_other():
    new = curve(300, "stretch@50/100", "restart@200/200")
    assert new(50) == curve(100)(50)
    assert new(125) == pytest.approx(curve(100)(75))
    assert new(200) == 1


@pytest.mark.parametrize("word", ["stretch", "jump@1/2", "tail@x/3", "tail@1"])
def test_a_join_that_says_nothing_is_refused(word):
    with pytest.raises(ValidationError):
        ScheduleSettings(lr_joins=(word,))
