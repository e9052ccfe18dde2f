# SPDX-License-Identifier: Apache-2.0
"""Successive halving without barriers: rungs, who goes on and when, what it costs. Laws: tests/properties."""

from __future__ import annotations

from dataclasses import replace

import pytest

from boxwright.errors import SettingError
from boxwright.search.halving import Halving, goes_on, rungs_of
from boxwright.search.job import Result
from boxwright.search.proposals import Mixture
from tests.support.evolving import failed
from tests.support.searching import numbered, search_plan, worked


def by_number(job):
    """Later trials are better."""
    return 0.3 + job.trial / 100


def known(method, fitness):
    """Results of the first rung, of trials 0, 1, ...; None: it failed."""
    done = {}
    for value in fitness:
        job = method._new(len(done), done, {})
        done[job.name] = failed(job) if value is None else Result(job, value)
    return done


def asked(method, done, count):
    """Names of the next jobs, nobody of whom finishes."""
    taken = {}
    for _ in range(count):
        job = method.next_job(done, taken)
        if job is not None:
            taken[job.name] = job
    return list(taken)


@pytest.mark.parametrize(
    ("epochs", "eta", "rungs"),
    [
        (1, 3, (1,)),
        (2, 3, (1, 2)),
        (3, 3, (1, 3)),
        (27, 3, (3, 9, 27)),
        (300, 3, (33, 100, 300)),
        (16, 2, (4, 8, 16)),
        (4, 4, (1, 4)),
    ],
)
def test_rungs_are_the_whole_training_and_two_shorter_ones_as_far_as_there_are_epochs(epochs, eta, rungs):
    assert rungs_of(epochs, eta) == rungs


@pytest.mark.parametrize("given", [(3, 9), (9, 3, 27), (3, 3, 27), (0, 27), (27, 81)])
def test_given_rungs_have_to_rise_to_the_whole_training(given):
    assert rungs_of(27, 3, (2, 27)) == (2, 27)
    with pytest.raises(SettingError, match=r"rungs: .* do not rise to 27 epochs"):
        numbered(rungs=given)


def test_a_budget_that_ends_before_the_start_set_does_is_refused():
    with pytest.raises(SettingError, match="the start set alone is trained for 27"):
        numbered(budget=26)
    assert numbered(budget=27).next_job({}, {}).name == "0-r0"


def test_the_plan_says_who_proposes():
    assert isinstance(Halving.of(search_plan()).proposer, Mixture)


def test_nobody_waits_for_a_rung_to_be_full():
    method = numbered(9)
    done = known(method, [0.3, 0.5, 0.4])
    assert asked(method, done, 3) == ["1-r1", "0-r1", "3-r0"]


def test_the_best_of_every_eta_go_on_as_it_stands():
    method = numbered(9)
    assert asked(method, known(method, [0.3, 0.5, 0.4, 0.6, 0.2]), 3) == ["3-r1", "0-r1", "5-r0"]
    assert asked(method, known(method, [0.3, 0.5, 0.4, 0.6, 0.2, 0.1]), 4) == ["3-r1", "1-r1", "0-r1", "6-r0"]
    half = numbered(9, eta=2)
    assert asked(half, known(half, [0.3, 0.5, 0.4, 0.6]), 4) == ["3-r1", "1-r1", "0-r1", "4-r0"]


def test_a_failed_training_goes_nowhere_and_makes_no_room():
    method = numbered(9)
    assert asked(method, known(method, [0.3, None, 0.4, None]), 2) == ["0-r1", "4-r0"]
    assert asked(method, known(method, [None, 0.5, 0.4]), 1) == ["3-r0"]


def test_the_higher_rung_goes_on_first():
    method = numbered(30)
    done = known(method, [0.3, 0.5, 0.4, 0.6, 0.2, 0.1])
    for trial, value in ((3, 0.7), (1, 0.8), (0, 0.5)):
        job = method._longer(done[f"{trial}-r0"].job, 1)
        done[job.name] = Result(job, value)
    more = {"6-r0": replace(done["5-r0"].job, name="6-r0", trial=6)}
    done |= {name: Result(job, 0.9) for name, job in more.items()}
    assert asked(method, done, 4) == ["1-r2", "0-r2", "6-r1", "7-r0"]


def test_with_fewer_trials_than_eta_the_best_goes_on_when_all_are_known():
    method = numbered(2, 9)
    done = known(method, [0.3, 0.5])
    assert asked(method, done, 9) == ["1-r1", "0-r1"]
    assert asked(method, known(method, [0.3]), 9) == ["0-r1", "1-r0"]


def test_a_trial_goes_on_from_its_state_with_its_seed_and_its_schedule():
    plan = search_plan(3).model_copy(update={"seed": 7})
    method = Halving.of(plan)
    done = known(method, [0.3, 0.5, 0.4])
    job = method.next_job(done, {})
    before = done["1-r0"].job
    assert (job.goes_on_from, job.trial, job.values, job.seed) == ("1-r0", 1, before.values, 7)
    assert (before.epochs, job.epochs, job.horizon, before.horizon) == (3, 9, 27, 27)
    assert (job.origin, job.made_from) == (before.origin, before.made_from)


def test_it_costs_a_third_of_training_every_set_to_the_end():
    found = worked(numbered(27), lambda job: 0.9 - job.trial / 100)
    steps = zip((27, 9, 3), (3, 6, 18), strict=True)
    assert found.epochs() == sum(count * step for count, step in steps)  # 189 of 729


def test_who_is_overtaken_comes_on_top_of_what_was_foretold():
    assert goes_on(27, 3, 3) == [27, 10, 4]
    assert goes_on(1, 3, 3) == [1, 1, 1]
    assert goes_on(2, 3, 2) == [2, 2]
    found = worked(numbered(27), by_number)
    assert len(found.taken) > 27 + 10 + 4
    assert found.epochs() < 729  # the worst case: every trial is better than all before it


def test_a_budget_keeps_back_what_the_start_set_needs():
    method = numbered(100, budget=60)
    found = worked(method, by_number)
    assert "0-r2" in found.done
    assert found.epochs() <= 60
    assert len([name for name in found.done if name.endswith("-r0")]) > 3
    lost = worked(method, lambda job: None if job.trial == 0 else by_number(job))
    assert len(lost.done) > len(found.done), "nothing is kept back for a start set that failed"
    assert lost.epochs() <= 60


def test_it_is_over_when_nothing_goes_on_and_nothing_begins():
    method = numbered(3, 3)
    found = worked(method, by_number)
    assert method.is_over(found.done)
    for name in found.done:
        assert not method.is_over({other: one for other, one in found.done.items() if other != name})
    assert method.next_job(found.done, found.taken) is None
