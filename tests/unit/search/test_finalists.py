# SPDX-License-Identifier: Apache-2.0
"""Which sets are judged again, with which seeds, and when."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from boxwright.search.finalists import WithVerdict, finalists, verdict_jobs
from boxwright.search.halving import Halving
from boxwright.search.job import Job, Result, Stage
from boxwright.search.mutation import Mutation
from boxwright.search.population import Population
from boxwright.search.seeds import trial_seed, verdict_seeds
from boxwright.search.study import VerdictRules
from tests.support.evolving import KEYS, START, failed, plan_of
from tests.support.searching import by_noise, search_plan, worked

SETS = {key.name: START[key.name] for key in KEYS}


def plan(finalists=3, seeds=5, **others):
    return plan_of(trials=9, verdict=VerdictRules(finalists=finalists, seeds=seeds), seed=11, **others)


def done_with(fitness, **others):
    """Whole trainings: trial 0 the start set, the others each with an own set; None: it failed."""
    found = {}
    for trial, value in enumerate(fitness):
        job = Job(str(trial), trial, SETS | ({"scale": trial / 100} if trial else {}), 3, 3, 11, **others)
        found[job.name] = failed(job) if value is None else Result(job, value)
    return found


def test_finalists_are_the_best_that_beat_the_start_set():
    fitness = [0.5, 0.6, 0.4, 0.9, None, 0.7, 0.8]
    assert list(finalists(plan(), done_with(fitness))) == ["3", "6", "5"]
    assert list(finalists(plan(finalists=1), done_with(fitness))) == ["3"]
    assert list(finalists(plan(), done_with([0.5, 0.5, 0.4]))) == []


def test_where_the_start_set_failed_the_best_are_finalists_all_the_same():
    assert list(finalists(plan(finalists=2), done_with([None, 0.1, 0.3, 0.2]))) == ["2", "3"]


def test_a_set_is_judged_once_and_the_start_set_not_against_itself():
    done = done_with([0.5, 0.6, 0.7, 0.8])
    done["2"] = replace(done["2"], job=replace(done["2"].job, values=done["1"].job.values))
    done["3"] = replace(done["3"], job=replace(done["3"].job, values=done["0"].job.values))
    assert list(finalists(plan(), done)) == []  # trial 3 is the start set again, and beats them
    done["3"] = replace(done["3"], fitness=0.55)
    assert list(finalists(plan(), done)) == ["2"]


def test_trials_that_were_stopped_early_are_no_finalists():
    done = done_with([0.5, 0.9])
    done["1"] = replace(done["1"], job=replace(done["1"].job, epochs=1))
    assert list(finalists(plan(), done)) == []


def test_a_set_of_an_earlier_record_is_judged_with_the_users_values_of_the_keys_that_it_lacks():
    old = Result(Job("old-a", -1, {"scale": 0.2, "box": 0.1}, 0, 0, 0), 0.9)
    done = {"old-a": old} | done_with([0.5, 0.6])
    assert list(finalists(plan(), done)) == ["old-a", "1"]
    job = verdict_jobs(plan(), done)[1]
    assert job.name == "v-old-a-s12"
    assert job.values == SETS | {"scale": 0.2}


def test_all_are_trained_whole_with_the_same_seeds_none_of_which_is_that_of_the_trials():
    jobs = verdict_jobs(plan(finalists=2, seeds=4), done_with([0.5, 0.6, 0.7]))
    seeds = {}
    for job in jobs:
        seeds.setdefault(job.name.rpartition("-s")[0], []).append(job.seed)
        assert (job.epochs, job.horizon, job.stage, job.goes_on_from) == (3, 3, Stage.VERDICT, "")
    assert seeds == {name: [12, 13, 14, 15] for name in ("v-start", "v-2", "v-1")}
    assert trial_seed(plan()) not in verdict_seeds(plan())
    assert [job.seed for job in jobs] == [12] * 3 + [13] * 3 + [14] * 3 + [15] * 3, "whole pairs are there early"


def test_names_are_those_of_files_the_sets_are_told_and_what_was_chosen_from():
    jobs = verdict_jobs(plan(seeds=1), done_with([0.5, 0.6]))
    assert [job.name for job in jobs] == ["v-start-s12", "v-1-s12"]
    assert all(re.fullmatch(r"[\w-]+", job.name) for job in jobs)
    assert [(job.values, job.made_from) for job in jobs] == [(SETS, ()), (SETS | {"scale": 0.01}, ("1",))]


def test_nothing_is_trained_again_where_nothing_beat_the_start_set():
    assert verdict_jobs(plan(), done_with([0.5, 0.4])) == []


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("kind", ["search", "mutation", "population"])
def test_behind_any_method_come_the_trainings_of_the_verdict_and_then_it_is_over(kind, workers):
    rules = VerdictRules(finalists=2, seeds=3)
    asked = search_plan(verdict=rules) if kind == "search" else plan_of(kind, trials=8, verdict=rules)
    method = {"search": Halving.of, "mutation": Mutation, "population": Population}[kind](asked)
    noise = by_noise(2)
    found = worked(WithVerdict(method, asked), noise, workers=workers)
    alone = {name: one for name, one in found.done.items() if one.job.stage == Stage.TRIAL}
    assert method.is_over(alone)
    judged = {name for name in found.done if name.startswith("v-")}
    assert judged == {job.name for job in verdict_jobs(asked, alone)}
    assert judged
    for name in judged - {f"v-start-s{seed}" for seed in verdict_seeds(asked)}:
        done, taken = found.before[name]
        assert all(other in done for other, job in taken.items() if job.stage == Stage.TRIAL)


def test_who_would_be_idle_takes_the_start_set_which_is_needed_in_any_case():
    asked = plan_of(trials=2, verdict=VerdictRules(seeds=2))
    method = WithVerdict(Mutation(asked), asked)
    taken = {}
    for name in ("0", "1", "v-start-s1", "v-start-s2"):
        job = method.next_job({}, taken)
        assert job.name == name
        taken[name] = job
    assert method.next_job({}, taken) is None
    assert not method.is_over({})
