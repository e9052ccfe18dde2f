# SPDX-License-Identifier: Apache-2.0
"""How long a study is may change: what was asked for last counts, and the plan stays as it was written."""

from __future__ import annotations

import pytest

from boxwright.errors import SettingError, UserError
from boxwright.search.extent import Extent, extended, write_extent
from boxwright.search.store import FolderStore
from boxwright.search.study import Key, StudyPlan, VerdictRules


def plan(**more) -> StudyPlan:
    return StudyPlan(method="search", trials=3, epochs=9, start={}, keys=(Key("lr0", 0.0, 0.1),), **more)


def test_a_study_without_one_is_as_long_as_its_plan(tmp_path):
    assert extended(FolderStore(tmp_path), plan()) == plan()


def test_what_was_asked_for_last_counts(tmp_path):
    store = FolderStore(tmp_path)
    for trials in (5, 7):
        write_extent(store, Extent(trials=trials, verdict=VerdictRules(finalists=2, seeds=4), budget="40", workers=2))
    found = extended(store, plan())
    assert (found.trials, found.verdict.seeds, found.search.budget) == (7, 4, 40)
    assert Extent.of(found) == Extent(trials=7, verdict=VerdictRules(finalists=2, seeds=4), budget="40", workers=2)


def test_hours_are_no_epochs_of_a_search():
    found = Extent(trials=3, verdict=VerdictRules(seeds=0), budget="2h", workers=3).applied(plan())
    assert found.search.budget == 0
    limit = Extent.of(found).limit
    assert limit is not None
    assert (limit.amount, limit.unit) == (6.0, "hours")


def test_a_budget_that_is_no_length_is_one_line():
    with pytest.raises(SettingError, match="is no length"):
        _ = Extent(trials=3, verdict=VerdictRules(seeds=0), budget="soon").limit


def test_a_damaged_one_is_one_line(tmp_path):
    store = FolderStore(tmp_path)
    write_extent(store, Extent.of(plan()))
    (tmp_path / "extent.json").write_bytes((tmp_path / "extent.json").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"extent\.json: is not as it was written"):
        extended(store, plan())
