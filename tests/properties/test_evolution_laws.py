# SPDX-License-Identifier: Apache-2.0
"""Both evolutions, from their formulas alone. Keyed draws: every number here is the same at every run."""

from __future__ import annotations

import copy
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boxwright.search import mutation, population
from boxwright.search.mutation import factors, weights_of
from boxwright.search.population import Rates, crossed, mutated, pool_of, rates_of
from boxwright.search.study import Key, MutationRules, PopulationRules
from tests.support.evolving import KEYS, START, failed, known, method_of, plan_of, result_of, trained

RULES = MutationRules()


def draws() -> np.random.Generator:
    return np.random.default_rng(20)


def drawn_factors(count: int, gains: np.ndarray, rules: MutationRules = RULES) -> np.ndarray:
    random = draws()
    return np.array([factors(rules, gains, random) for _ in range(count)])


# -- mutation


@pytest.mark.parametrize("probability", [0.8, 0.9])
def test_factors_are_gain_times_normal_times_one_uniform_of_all_keys_times_sigma_around_1(probability):
    steps = drawn_factors(4000, np.ones(50), MutationRules(probability=probability)) - 1
    assert (steps != 0).mean() == pytest.approx(probability, abs=0.01)
    assert steps.mean() == pytest.approx(0, abs=0.002)
    assert (steps**2).mean() == pytest.approx(probability * 0.2**2 / 3, rel=0.05)  # E[U^2] is a third
    size, other = np.abs(steps[:, 0:25]).ravel(), np.abs(steps[:, 25:50]).ravel()
    one_uniform = probability**2 * (2 / math.pi) * 0.2**2 / 3  # with one for each key it were a quarter
    assert (size * other).mean() == pytest.approx(one_uniform, rel=0.05)


def test_a_gain_multiplies_the_step_and_0_never_moves():
    gains = np.array([1.0, 0.3, 2.0, 0.0])
    rules = MutationRules(sigma=0.05)  # no factor reaches a limit
    one, other = drawn_factors(50, np.ones(4), rules), drawn_factors(50, gains, rules)
    assert other - 1 == pytest.approx((one - 1) * gains)
    assert (other[:, 3] == 1).all()


def test_factors_stay_between_three_tenths_and_3():
    found = drawn_factors(400, np.ones(8), MutationRules(sigma=20.0))
    assert found.min() == 0.3
    assert found.max() == 3.0


def test_it_is_repeated_until_something_moves():
    found = drawn_factors(300, np.ones(2), MutationRules(probability=0.02))
    assert (found != 1).any(axis=1).all()
    assert (found != 1).all(axis=1).mean() < 0.1  # of both: still rare


def test_a_probability_near_0_ends_as_well():
    found = factors(MutationRules(probability=1e-300), np.array([0.0, 1.0, 0.0]), draws())
    assert (found != 1).tolist() == [False, True, False]


def test_weights_of_parents_are_their_distance_to_the_worst_and_a_millionth():
    assert weights_of([0.3, 0.2, 0.1]) == pytest.approx(np.array([0.2 + 1e-6, 0.1 + 1e-6, 1e-6]) / (0.3 + 3e-6))
    assert weights_of([0.5]) == pytest.approx([1])
    assert weights_of([0.0, 0.0]) == pytest.approx([0.5, 0.5])


def test_a_single_parent_is_drawn_by_weight():
    plan, parents = plan_of(), known([0.3, 0.2, 0.1])
    origins = Counter(mutation.job_of(plan, number, parents).origin for number in range(1, 601))
    assert origins["mutated from trial 0"] / 600 == pytest.approx(2 / 3, abs=0.05)
    assert origins["mutated from trial 1"] / 600 == pytest.approx(1 / 3, abs=0.05)


def test_the_weighted_parent_is_the_mean_by_weight():
    sets = [{**START, "scale": 0.2}, {**START, "scale": 0.5}, {**START, "scale": 0.8}]
    plan = plan_of(mutation=MutationRules(parents="weighted", sigma=1e-9, digits=7))
    job = mutation.job_of(plan, 5, known([0.3, 0.2, 0.1], sets))
    assert job.values["scale"] == pytest.approx((2 * 0.2 + 0.5) / 3, abs=1e-5)


def test_parents_are_the_five_best_of_those_that_came_to_a_number():
    results = known([0.1, 0.7, 0.3, 0.9, 0.2, 0.5, 0.8, 0.4])
    done = {one.job.name: one for one in results} | {"8": failed(replace(results[0].job, name="8", trial=8))}
    job = method_of(plan_of()).next_job(done, {})
    assert job.name == "9"
    assert job.made_from == ("3", "6", "1", "5", "7")


def test_the_first_trial_is_the_start_set_within_the_limits():
    job = method_of(plan_of(start={**START, "momentum": 0.99})).next_job({}, {})
    assert job.values == {"lr0": 0.01, "momentum": 0.98, "scale": 0.5, "mosaic": 0.8}
    assert (job.name, job.made_from, job.seed, job.epochs, job.horizon) == ("0", (), 0, 3, 3)


def test_the_first_trial_is_the_start_set_whatever_finished_before_it():
    done = {one.job.name: one for one in known([0.5, 0.6], first=1)}
    assert method_of(plan_of()).next_job(done, {}).values == {key.name: START[key.name] for key in KEYS}


def test_without_a_parent_the_start_set_is_mutated():
    first = method_of(plan_of()).next_job({}, {})
    second = method_of(plan_of()).next_job({}, {"0": first})
    assert second.made_from == ()
    assert second.values != first.values
    third = method_of(plan_of()).next_job({"0": failed(first), "1": failed(second)}, {})
    assert third.made_from == ()  # failed ones are no parents


def test_the_first_trial_goes_on_from_old_records():
    old = known([0.4], [{**START, "scale": 0.11}])[0]
    old = replace(old, job=replace(old.job, name="old-a", trial=-1))
    job = method_of(plan_of()).next_job({"old-a": old}, {})
    assert (job.name, job.made_from, job.origin) == ("0", ("old-a",), "mutated from trial old-a")
    assert job.values["scale"] == pytest.approx(0.11, rel=0.8)
    assert job.values != {key.name: START[key.name] for key in KEYS}


def test_values_stay_within_their_limits_and_have_five_digits():
    for result in trained(plan_of(trials=60, mutation=MutationRules(sigma=2.0))).values():
        for key in KEYS:
            value = result.job.values[key.name]
            assert key.low <= value <= key.high
            assert value == round(value, 5)


def test_what_a_parent_lacks_comes_from_the_start_set():
    job = mutation.job_of(plan_of(mutation=MutationRules(sigma=1e-9)), 3, known([0.2], [{"scale": 0.1}]))
    assert job.values["lr0"] == pytest.approx(0.01, abs=1e-5)
    assert job.values["scale"] == pytest.approx(0.1, abs=1e-5)


# -- population


@given(st.integers(2, 80), st.integers(1, 400), st.integers(0, 400))
def test_rates_are_the_formulas_of_the_generation(size, whole, g):
    g = min(g, whole)
    rates = rates_of(PopulationRules(size=size, generations=whole), g)
    assert rates.elite == min(2 + int(3 * g / whole), size)
    assert rates.tournament == min(max(2, int(min(10, size) - g / (whole / 10))), size)
    assert rates.crossover == max(0.5, min(1, 1 - g / whole))
    assert rates.mutation == max(0.01, min(0.5, 0.5 - g / whole))


def test_over_its_generations_the_elite_grows_and_the_rest_falls():
    course = [rates_of(PopulationRules(), g) for g in range(301)]
    assert course[0] == Rates(2, 10, 1.0, 0.5)
    assert course[-1] == Rates(5, 2, 0.5, 0.01)
    assert [one.elite for one in course] == sorted(one.elite for one in course)
    for rate in ("tournament", "crossover", "mutation"):
        assert [getattr(one, rate) for one in course] == sorted((getattr(one, rate) for one in course), reverse=True)


@pytest.mark.parametrize("tournament", [2, 5, 12])
def test_the_fittest_of_those_drawn_without_replacement_wins(tournament):
    fitness = np.array([0.3, 0.9, 0.1, 0.5, 0.7, 0.2, 0.8, 0.6, 0.4, 0.05, 0.01, 0.02])
    order, size, random = np.argsort(-fitness), len(fitness), draws()
    winners = np.concatenate([pool_of(fitness, Rates(2, tournament, 1, 0.5), random)[:-2] for _ in range(400)])
    for rank, place in enumerate(order):
        chance = math.comb(size - 1 - rank, tournament - 1) / math.comb(size, tournament)
        assert (winners == place).mean() == pytest.approx(chance, abs=0.02)
        assert chance > 0 or place not in winners


def test_the_pool_is_as_large_as_the_population_and_ends_with_its_best():
    pool = pool_of(np.array([0.1, 0.9, 0.5, 0.9, 0.2]), Rates(3, 2, 1, 0.5), draws())
    assert len(pool) == 5
    assert pool[-3:].tolist() == [1, 3, 2]


def test_a_child_has_the_beginning_of_one_and_the_end_of_the_other():
    random, first, second = draws(), np.zeros(5), np.ones(5)
    cuts = []
    for _ in range(2000):
        child, cut = crossed(first, second, 0.6, random)
        assert child.tolist() == ([0.0] * cut + [1.0] * (5 - cut) if cut else [0.0] * 5)
        cuts.append(cut)
    counts = Counter(cuts)
    assert set(counts) == {0, 1, 2, 3, 4}
    assert counts[0] / 2000 == pytest.approx(0.4, abs=0.04)
    assert min(counts[cut] for cut in (1, 2, 3, 4)) / 2000 == pytest.approx(0.15, abs=0.03)
    assert crossed(np.zeros(1), np.ones(1), 1.0, random)[1] == 0  # nothing to cut
    assert all(crossed(np.zeros(2), np.ones(2), 1.0, random)[1] == 1 for _ in range(20))


def test_genes_move_by_up_to_a_tenth_both_ways():
    genes = np.full(20_000, 0.5)
    steps = mutated(genes, 0.3, 0.1, draws()) - genes
    assert (genes == 0.5).all()  # the parent stays
    assert (steps != 0).mean() == pytest.approx(0.3, abs=0.02)
    moved = steps[steps != 0]
    assert np.abs(moved).max() <= 0.1
    assert moved.mean() == pytest.approx(0, abs=0.003)
    assert moved.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.03)


def population_plan(**rules):
    return plan_of("population", trials=18, population=PopulationRules(size=6, generations=3, **rules))


def test_a_population_begins_with_the_given_sets_and_draws_the_others_from_the_limits():
    given_set = {"lr0": 0.02, "momentum": 2.0, "scale": 0.1, "mosaic": 1.0}
    plan = plan_of("population", population=PopulationRules(size=300, first=(given_set,)))
    jobs = [population.job_of(plan, number, []) for number in range(300)]
    assert jobs[0].values == {**given_set, "momentum": 0.98}
    for key in KEYS:
        values = np.array([job.values[key.name] for job in jobs[1:]])
        assert key.low <= values.min() <= values.max() <= key.high
        assert values.mean() == pytest.approx((key.low + key.high) / 2, abs=(key.high - key.low) / 20)
        assert values.std() == pytest.approx((key.high - key.low) / math.sqrt(12), rel=0.1)


def test_children_have_the_genes_of_their_parents_or_moved_by_a_tenth_within_the_limits():
    plan = population_plan()
    done = trained(plan)
    for number in range(6, 18):
        job, origin = done[str(number)].job, number // 6 - 1
        assert job.made_from == tuple(str(one) for one in range(origin * 6, origin * 6 + 6))
        for key in KEYS:
            value = job.values[key.name]
            assert key.low <= value <= key.high
            assert min(abs(value - done[name].job.values[key.name]) for name in job.made_from) <= 0.1 + 1e-12


def test_a_generation_is_made_by_the_rates_of_the_one_before():
    plan = plan_of("population", trials=60, population=PopulationRules(size=20, generations=2, elite_growth=0))
    origins = [result.job.origin for result in trained(plan).values()]
    assert all(origin.startswith("generation 1: crossed") for origin in origins[20:40])  # 1 - 0 / 2
    copied = sum(origin.startswith("generation 2: copied") for origin in origins[40:])
    assert 3 <= copied <= 17  # 1 - 1 / 2
    assert sum("0 of 4 keys" in origin for origin in origins[20:40]) < 5  # half of the genes move
    assert sum("0 of 4 keys" in origin for origin in origins[40:]) > 15  # one in a hundred does


def test_a_fitness_that_is_no_number_counts_as_0():
    plan = population_plan(tournament=6, least_tournament=6, least_mutation=0.0, most_mutation=0.0, elite=1)
    generation = [population.job_of(plan, number, []) for number in range(6)]
    before = [result_of(job, math.nan) for job in generation[:5]] + [result_of(generation[5], 0.1)]
    assert population.job_of(plan, 6, before).values == generation[5].values


def test_nothing_goes_on_by_itself():
    plan = population_plan(least_mutation=1.0, most_mutation=1.0)
    done = trained(plan)
    sets = [tuple(result.job.values.values()) for result in done.values()]
    assert len(set(sets)) == 18  # no elite among the children


def test_a_failed_individual_counts_as_0():
    plan = population_plan(tournament=6, least_tournament=6, least_mutation=0.0, most_mutation=0.0, elite=1)
    generation = [population.job_of(plan, number, []) for number in range(6)]
    before = [failed(job) for job in generation[:5]] + [result_of(generation[5], 0.1)]
    assert population.job_of(plan, 6, before).values == generation[5].values


def test_a_generation_waits_for_all_of_the_one_before():
    plan = population_plan()
    method, done = method_of(plan), {}
    jobs = {str(number): population.job_of(plan, number, []) for number in range(6)}
    assert method.next_job({}, jobs) is None
    done = {name: result_of(job) for name, job in jobs.items() if name != "3"}
    assert method.next_job(done, {"3": jobs["3"]}) is None
    assert method.next_job(done, {}) == jobs["3"]
    assert not method.is_over(done)
    assert method.next_job({**done, "3": failed(jobs["3"])}, {}).name == "6"


def test_a_study_may_end_in_the_middle_of_a_generation():
    plan = plan_of("population", trials=8, population=PopulationRules(size=6, generations=3))
    assert sorted(trained(plan), key=int) == [str(number) for number in range(8)]


# -- both


@pytest.mark.parametrize("method", ["mutation", "population"])
@settings(max_examples=30)
@given(data=st.data())
def test_every_job_of_any_number_of_workers_can_be_made_again_alone(method, data):
    plan = plan_of(method, seed=data.draw(st.integers(0, 99)), population=PopulationRules(size=4, generations=3))
    chooser, done, taken = method_of(plan), {}, {}
    while not chooser.is_over(done):
        job = chooser.next_job(done, taken)
        if job is not None and (not taken or data.draw(st.booleans())):
            taken[job.name] = job
            continue
        name = data.draw(st.sampled_from(sorted(taken)))
        finished = taken.pop(name)
        done[name] = failed(finished) if data.draw(st.integers(0, 3)) == 0 else result_of(finished)
    assert len(done) == plan.trials
    module = mutation if method == "mutation" else population
    for result in done.values():
        job = result.job
        parents = [done[name] for name in reversed(job.made_from)]  # in whatever order
        assert module.job_of(plan, job.trial, parents) == job


@pytest.mark.parametrize("method", ["mutation", "population"])
def test_the_same_question_has_the_same_answer_and_changes_nothing(method):
    plan = plan_of(method, population=PopulationRules(size=4, generations=3))
    done = trained(plan)
    before = copy.deepcopy(done)
    some = {name: done[name] for name in map(str, range(8))}
    chooser = method_of(plan)
    jobs = [chooser.next_job(dict(reversed(some.items())), {}) for _ in range(3)]
    assert jobs == [done["8"].job] * 3
    assert done == before
    assert trained(plan) == done
    assert {name: one.job.values for name, one in trained(plan_of(method, seed=1)).items()} != {
        name: one.job.values for name, one in done.items()
    }


def test_a_plan_in_which_nothing_can_move_ends_at_once():
    with pytest.raises(ValueError, match="no key has a gain"):
        mutation.job_of(plan_of(keys=(Key("scale", 0, 0.9, 0.0),)), 1, [])
