# SPDX-License-Identifier: Apache-2.0
"""Proposals by the real estimator of Optuna, which is told everything anew at every question."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from boxwright.errors import SettingError
from boxwright.search.halving import Halving
from boxwright.search.job import Job, Result
from boxwright.search.proposals import Mixture
from boxwright.search.study import Key
from boxwright.search.tpe import BY_TPE, FIRST, Estimator, _asked, points_told, proposer_for
from tests.support.evolving import KEYS, START, failed, plan_of
from tests.support.searching import search_plan, worked

NAMES = ["a", "b"]
INSTALL = r"pip install 'boxwright\[search\]'"


def plan(seed=0, **others):
    return search_plan(100, proposer="tpe").model_copy(update={"seed": seed, **others})


def known(estimator, count, fitness=lambda values: 1 - abs(values["scale"] - 0.3)):
    done = {}
    for trial in range(count):
        values = estimator.mixture.propose(trial, done, {}).values
        job = Job(f"{trial}-r0", trial, values, 3, 27, 0)
        done[job.name] = Result(job, fitness(values))
    return done


def by_estimator(estimator, done, taken=None):
    """The first trial that the estimator proposes itself, and its number."""
    found = ((trial, estimator.propose(trial, done, taken or {})) for trial in range(200, 230))
    return next(pair for pair in found if pair[1].origin == BY_TPE)


def test_the_same_question_has_the_same_answer():
    done = known(Estimator(plan()), 12)
    trial, first = by_estimator(Estimator(plan()), done)
    assert Estimator(plan()).propose(trial, dict(reversed(done.items())), {}) == first
    assert Estimator(plan(seed=1)).propose(trial, done, {}) != first


def test_its_sets_are_within_limits_of_five_digits_and_name_all_that_it_was_told():
    done = known(Estimator(plan()), 12)
    _, found = by_estimator(Estimator(plan()), done)
    for key in KEYS:
        assert key.low <= found.values[key.name] <= key.high
        assert found.values[key.name] == float(f"{found.values[key.name]:.5g}")
    assert found.made_from == tuple(sorted(done))


def test_it_is_asked_for_half_of_the_trials_once_there_is_something_to_learn_from():
    estimator = Estimator(plan())
    few, many = known(estimator, FIRST - 1), known(estimator, FIRST)
    assert BY_TPE not in {estimator.propose(trial, few, {}).origin for trial in range(20, 40)}
    assert estimator.propose(0, many, {}) == estimator.mixture.propose(0, many, {})
    shares = [estimator.propose(trial, many, {}).origin == BY_TPE for trial in range(20, 50)]
    assert 0.25 < np.mean(shares) < 0.75


def test_it_comes_nearer_to_the_top_of_a_smooth_surface_than_draws_do():
    draw, distances = np.random.default_rng(0), []
    for seed in range(3):
        told, top = [], draw.random(4)
        for number in range(30):
            point = (
                _asked(told, ["a", "b", "c", "d"], seed * 100 + number) if number >= FIRST else draw.random(4).tolist()
            )
            ranks = [*(one for one, _ in told), point]
            ordered = sorted(ranks, key=lambda one: float(((np.array(one) - top) ** 2).sum()))
            told = [(one, ordered.index(one)) for one in ranks]
        drawn = draw.random((200, 30, 4))
        usual = np.median(np.sqrt(((drawn - top) ** 2).sum(axis=2)).min(axis=1))
        distances.append(float(np.linalg.norm(np.array(min(told, key=lambda one: one[1])[0]) - top)) / usual)
    assert np.mean(distances) < 0.75


def test_it_sees_what_keys_do_together():
    """Good sets lie on a diagonal: key by key they lie anywhere."""
    draw = np.random.default_rng(0)
    good = [[x, x] for x in draw.random(12)]
    bad = [[x, y] for x, y in draw.random((60, 2)) if abs(x - y) > 0.3]
    told = [(point, place) for place, point in enumerate([*good, *bad])]
    away = [abs(x - y) for x, y in (_asked(told, NAMES, seed) for seed in range(20))]
    assert np.mean(away) < 0.15


def test_what_others_are_trying_keeps_workers_apart():
    draw = np.random.default_rng(1)
    points = draw.random((30, 2))
    order = np.argsort(((points - 0.5) ** 2).sum(axis=1))
    told = [(points[n].tolist(), place) for place, n in enumerate(order)]
    alone = np.array([_asked(told, NAMES, seed) for seed in range(20)])
    centre = alone.mean(axis=0)
    busy = told + [(centre.tolist(), None)] * 6
    beside = np.array([_asked(busy, NAMES, seed) for seed in range(20)])
    distance = [np.linalg.norm(one - centre, axis=1).mean() for one in (alone, beside)]
    assert distance[1] > 1.3 * distance[0]


def test_it_is_told_how_trials_stand_and_nothing_of_those_that_are_being_trained():
    estimator = Estimator(plan())
    done = known(estimator, 4)
    done["1-r0"] = failed(done["1-r0"].job)
    longer = Job("2-r1", 2, done["2-r0"].job.values, 9, 27, 0, goes_on_from="2-r0")
    new = Job("9-r0", 9, done["0-r0"].job.values, 3, 27, 0)
    old = Result(Job("old-a", -1, {"scale": 0.2}, 0, 0, 0), 0.0)
    told = points_told(estimator.mixture, {**done, "old-a": old}, {"2-r1": longer, "9-r0": new})
    assert [place for _, place in told][1] == 4, "a failed one is the last"
    assert [place for _, place in told][4] is None
    assert sorted(place for _, place in told if place is not None) == [0, 1, 2, 3, 4]
    assert told[0][0] == estimator.mixture.space.point(START)


def test_a_whole_search_by_it_comes_to_its_end():
    plan_of_one = plan(trials=14, keys=(Key("scale", 0, 0.9),))
    found = worked(Halving.of(plan_of_one), lambda job: 1 - abs(job.values["scale"] - 0.3), workers=2)
    origins = {job.origin for job in found.taken.values()}
    assert BY_TPE in origins
    assert "0-r2" in found.done


def test_without_a_wish_it_is_used_where_it_is_installed(monkeypatch):
    assert (proposer_for(None), proposer_for("tpe"), proposer_for("random")) == ("tpe", "tpe", "random")
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert (proposer_for(None), proposer_for("random")) == ("random", "random")


def test_where_it_is_missing_whoever_wants_it_reads_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for wish in (lambda: proposer_for("tpe"), lambda: Halving.of(plan()), lambda: Estimator(plan()).propose(3, {}, {})):
        with pytest.raises(SettingError, match=INSTALL) as caught:
            wish()
        assert "\n" not in str(caught.value)
    asked = plan_of("search", search=search_plan(proposer="random").search)
    assert isinstance(Halving.of(asked).proposer, Mixture)


def test_a_package_that_cannot_be_imported_is_a_line_as_well(monkeypatch, tmp_path):
    estimator = Estimator(plan())
    done = known(estimator, 12)
    (tmp_path / "optuna.py").write_text("raise ImportError('no module named sqlalchemy')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    with pytest.raises(SettingError, match=f"no module named sqlalchemy.*{INSTALL}"):
        by_estimator(estimator, done)
