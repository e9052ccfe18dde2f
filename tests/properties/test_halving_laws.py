# SPDX-License-Identifier: Apache-2.0
"""Asynchronous halving, whatever workers do: laws that are checked against what was known at every single question."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.searching import numbered, worked

LENGTHS = st.sampled_from([1, 2, 3, 10, 27, 300])


@st.composite
def searches(draw):
    """A method, its workers, and trainings of which some fail."""
    epochs, eta, trials = draw(LENGTHS), draw(st.integers(2, 4)), draw(st.integers(1, 24))
    budget = draw(st.sampled_from([0, 0, epochs, 2 * epochs, 5 * epochs + 1]))
    seed, failing = draw(st.integers(0, 1000)), draw(st.sampled_from([0.0, 0.0, 0.2, 1.0]))
    method = numbered(trials, epochs, eta=eta, budget=budget)

    def fitness(job):
        number = hash((seed, job.trial, job.epochs)) % 1000 / 1000
        return None if (number * 7) % 1 < failing else round(number, 1)  # many are equal

    return method, worked(method, fitness, workers=draw(st.integers(1, 5)), seed=seed)


def rung_of(name):
    return int(name.rpartition("-r")[2])


def results_at(method, done, rung):
    return {one.job.trial: one for one in done.values() if one.job.epochs == method.rungs[rung]}


def measured_at(method, done, rung):
    return {trial: one for trial, one in results_at(method, done, rung).items() if not one.is_failed}


def places_at(method, done, rung):
    """Trials that were measured here, the best first, of equal ones the earliest."""
    here = measured_at(method, done, rung)
    return sorted(here, key=lambda trial: (-here[trial].fitness, trial))


def names_at(taken, rung):
    return {job.trial for name, job in taken.items() if name.endswith(f"-r{rung}")}


@settings(max_examples=40)
@given(searches())
def test_whoever_goes_on_was_measured_and_is_among_the_best_of_its_rung_as_it_stands(search):
    method, found = search
    for name, (done, taken) in found.before.items():
        job, rung = found.taken[name], rung_of(name)
        if rung == 0:
            continue
        best = places_at(method, done, rung - 1)
        assert job.trial in best  # a failed one is not
        assert job.goes_on_from == results_at(method, done, rung - 1)[job.trial].job.name
        among = len(best) // method.plan.search.eta
        last_one = among == 0 and names_at(taken, rung - 1) == set(results_at(method, done, rung - 1))
        assert job.trial == 0 or best.index(job.trial) < max(among, int(last_one)), "it overtook nobody"


@settings(max_examples=40)
@given(searches())
def test_nobody_waits_while_a_trial_could_begin_or_go_on(search):
    method, found = search
    if method.plan.search.budget:
        return
    for done, taken in found.idle:
        assert names_at(taken, 0) == set(range(method.plan.trials))
        for rung in range(len(method.rungs) - 1):
            best = places_at(method, done, rung)
            may = set(best[: len(best) // method.plan.search.eta]) | ({0} & set(best))
            assert may <= names_at(taken, rung + 1)


@settings(max_examples=40)
@given(searches())
def test_the_start_set_is_trained_to_the_end_unless_it_fails(search):
    method, found = search
    fails = any(one.is_failed for one in found.done.values() if one.job.trial == 0)
    assert fails or f"0-r{len(method.rungs) - 1}" in found.done


@settings(max_examples=40)
@given(searches())
def test_a_budget_of_epochs_is_never_exceeded_and_never_left_while_a_trial_fits(search):
    method, found = search
    budget = method.plan.search.budget
    if not budget:
        return
    assert found.epochs() <= budget
    if len(names_at(found.taken, 0)) < method.plan.trials and not any(one.is_failed for one in found.done.values()):
        assert found.epochs() + method.plan.epochs + method.rungs[0] > budget


@settings(max_examples=40)
@given(searches())
def test_somebody_reaches_the_end_of_every_rung_where_anybody_was_measured(search):
    method, found = search
    if method.plan.search.budget:
        return
    for rung in range(len(method.rungs) - 1):
        if measured_at(method, found.done, rung):
            assert names_at(found.taken, rung + 1)


@settings(max_examples=40)
@given(searches())
def test_all_trials_see_one_seed_and_one_schedule_at_every_rung(search):
    method, found = search
    assert {job.seed for job in found.taken.values()} == {method.plan.seed}
    assert {job.horizon for job in found.taken.values()} == {method.plan.epochs}
    for job in found.taken.values():
        assert job.values == {"scale": job.trial / 1000}
