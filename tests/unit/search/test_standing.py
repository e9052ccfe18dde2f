# SPDX-License-Identifier: Apache-2.0
"""Which trial stands higher when they were trained differently long."""

from __future__ import annotations

from boxwright.search.job import Job, Result, Stage
from boxwright.search.standing import by_trial, epochs_trained, longest, standing, trial_of
from tests.support.evolving import START, failed


def job(trial, epochs, **others):
    names = {3: "r0", 9: "r1", 27: "r2"}
    return Job(f"{trial}-{names[epochs]}", trial, dict(START), epochs, 27, 0, **others)


def results(fitness):
    """From {trial: {epochs: fitness, None where it failed}}."""
    found = [
        failed(job(trial, epochs)) if value is None else Result(job(trial, epochs), value)
        for trial, rungs in fitness.items()
        for epochs, value in rungs.items()
    ]
    return {one.job.name: one for one in reversed(found)}


def test_a_job_belongs_to_the_trial_of_its_name_without_the_rung():
    assert [trial_of(Job(name, 1, {}, 3, 3, 0)) for name in ("12-r1", "12", "old-3f2")] == ["12", "12", "old-3f2"]


def test_results_are_gathered_by_trial_in_the_order_of_their_numbers():
    found = by_trial(results({10: {3: 0.1}, 9: {3: 0.2, 9: 0.3}}))
    assert {trial: list(rungs) for trial, rungs in found.items()} == {"9": [3, 9], "10": [3]}
    assert list(found) == ["9", "10"]
    assert longest(found["9"]).fitness == 0.3


def test_the_verdict_is_no_part_of_it():
    again = Result(job(1, 27, stage=Stage.VERDICT), 0.9)
    assert by_trial({again.job.name: again}) == {}


def test_trials_of_one_length_stand_by_their_fitness_and_equal_ones_by_their_number():
    assert standing(results({1: {3: 0.2}, 2: {3: 0.5}, 3: {3: 0.2}, 4: {3: 0.3}})) == ["2", "4", "1", "3"]


def test_a_longer_training_moves_places_among_those_that_had_it_alone():
    fitness = {1: {3: 0.5, 9: 0.6}, 2: {3: 0.4}, 3: {3: 0.3, 9: 0.7}, 4: {3: 0.2}}
    assert standing(results(fitness)) == ["3", "2", "1", "4"]


def test_nobody_wins_a_place_by_being_trained_for_longer():
    assert standing(results({1: {3: 0.5}, 2: {3: 0.4, 9: 0.9, 27: 0.95}})) == ["1", "2"]


def test_a_trial_that_failed_stands_last_however_far_it_came():
    assert standing(results({1: {3: 0.9, 9: None}, 2: {3: 0.1}, 3: {3: None}})) == ["2", "1", "3"]


def test_trials_of_an_earlier_record_were_trained_to_the_end():
    old = {
        name: Result(Job(name, number, dict(START), 0, 0, 0), fitness)
        for name, number, fitness in (("old-a", -2, 0.4), ("old-b", -1, 0.6))
    }
    new = {str(n): Result(Job(str(n), n, dict(START), 3, 3, 0), value) for n, value in enumerate((0.5, 0.7))}
    assert standing(old | new) == ["1", "old-b", "0", "old-a"]
    assert standing(old) == ["old-b", "old-a"]


def test_a_training_that_goes_on_pays_for_what_it_adds():
    jobs = [job(1, 3), job(1, 9, goes_on_from="1-r0"), job(2, 9, goes_on_from="2-r0")]
    assert epochs_trained(jobs) == 3 + 6 + 9
