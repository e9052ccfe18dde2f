# SPDX-License-Identifier: Apache-2.0
"""Is it really better? On noise the answer is no, whatever the noise looks like, and a real effect is found."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from boxwright.search.finalists import WithVerdict, finalists, verdict_jobs
from boxwright.search.halving import Halving
from boxwright.search.job import Job, Result, Stage
from boxwright.search.study import VerdictRules
from boxwright.search.verdict import Cost, compared, verdict_of
from tests.support.evolving import KEYS, START, failed, plan_of
from tests.support.searching import by_noise, search_plan, worked

STUDIES = 1000
NOISES = {
    "normal": lambda draw, shape: draw.normal(size=shape),
    "heavy tails": lambda draw, shape: draw.standard_t(1.5, shape),
    "collapses": lambda draw, shape: draw.normal(size=shape) - 10 * (draw.random(shape) < 0.1),
    "coarse": lambda draw, shape: np.round(draw.normal(size=shape)),
}


def claims(fitness):
    return [any(one["is_better"] for one in compared(study)) for study in fitness]


@pytest.mark.parametrize(
    ("noise", "seeds", "candidates"),
    [*((noise, seeds, count) for noise in NOISES for seeds, count in ((3, 1), (5, 3))), ("heavy tails", 8, 3)],
)
def test_of_a_thousand_studies_without_any_effect_at_most_five_in_a_hundred_claim_one(noise, seeds, candidates):
    draw = np.random.default_rng(seeds)
    found = claims(NOISES[noise](draw, (STUDIES, 1 + candidates, seeds)))
    assert sum(found) <= 0.05 * STUDIES
    assert sum(found) > 0, "a verdict that never claims anything says nothing"


@pytest.mark.parametrize(("seeds", "effect", "least"), [(3, 6, 0.7), (5, 4, 0.8), (8, 2, 0.8)])
def test_an_effect_of_so_many_deviations_of_one_training_is_mostly_found(seeds, effect, least):
    fitness = np.random.default_rng(seeds).normal(size=(200, 4, seeds))
    fitness[:, 1] += effect
    found = [compared(study) for study in fitness]
    assert np.mean([study[0]["is_better"] for study in found]) >= least
    assert np.mean([study[0]["effect"].value for study in found]) == pytest.approx(effect, abs=0.2)


def test_fewer_than_three_seeds_show_nothing():
    assert not compared(np.array([[0.1, 0.1], [0.9, 0.9]]))[0]["is_better"]
    assert compared(np.array([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9]]))[0]["is_better"]


def test_equal_results_are_no_effect():
    (found,) = compared(np.full((2, 5), 0.4))
    assert (found["is_better"], found["probability"], found["by_luck"], found["won"]) == (False, 0.5, 1.0, 0)
    assert found["effect"] == type(found["effect"])(0.0, 0.0, 0.0)


def test_one_seed_that_loses_ties_the_hands_of_the_flipped_signs():
    (found,) = compared(np.array([[0.1] * 5, [0.5, 0.5, 0.5, 0.5, 0.09]]))
    assert found["won"] == 4
    assert not found["is_better"]


def test_the_interval_is_wider_the_more_sets_were_judged():
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(4, 5))
    alone, among = compared(rows[:2])[0]["effect"], compared(rows)[0]["effect"]
    assert alone.value == among.value
    assert among.low < alone.low
    assert compared(rows[:3])[0]["effect"] == alone, "two are no wider than 95 %"


def test_a_seed_without_the_start_set_counts_for_nobody():
    rows = np.array([[0.1, math.nan, 0.12, 0.11], [0.3, 9.0, 0.33, 0.31]])
    (found,) = compared(rows)
    assert found == compared(rows[:, [0, 2, 3]])[0]
    assert (found["pairs"], found["won"]) == (3, 3)


def test_a_set_that_failed_with_a_seed_is_not_called_better_and_takes_nothing_from_the_others():
    good = [0.5, 0.52, 0.51, 0.5, 0.53]
    rows = np.array([[0.1, 0.11, 0.1, 0.12, 0.1], [0.9, 0.9, math.nan, 0.9, 0.9], good])
    one, other = compared(rows)
    assert (one["is_better"], one["pairs"]) == (False, 4)
    assert math.isnan(one["by_luck"])
    assert other["is_better"]


def test_nothing_measured_is_nothing_known():
    for rows in (np.full((3, 5), math.nan), np.array([[math.nan] * 3, [0.1] * 3])):
        for found in compared(rows):
            assert (found["is_better"], found["pairs"], found["won"]) == (False, 0, 0)


# -- a whole verdict

PLAN = plan_of(trials=4, epochs=9, verdict=VerdictRules(finalists=2, seeds=5))
SETS = {key.name: START[key.name] for key in KEYS}
NOISE = (0.0, 0.004, -0.003, 0.002, -0.002)


def searched(fitness=(0.4, 0.5, 0.3, 0.45)):
    jobs = [Job(str(n), n, SETS | ({"scale": n / 10} if n else {}), 9, 9, 0) for n in range(len(fitness))]
    return {job.name: Result(job, value, seconds=30) for job, value in zip(jobs, fitness, strict=True)}


def judged(gain, fails=(), leaves=()):
    """A search and its verdict: sets that the seeds are worth so much to, by trial."""
    done = searched()
    for job in verdict_jobs(PLAN, done):
        trial, seed = job.name.split("-")[1], job.seed
        value = 0.4 + NOISE[seed - 1] * (1 if trial == "start" else -2) + gain.get(trial, 0.0)
        if job.name not in leaves:
            done[job.name] = failed(job) if job.name in fails else Result(job, value, seconds=3661)
    return done


def whole_document(verdict):
    """As JSON that every program reads."""
    return json.loads(json.dumps(verdict.document(), allow_nan=False))


def test_a_winner_is_named_with_effect_interval_probability_and_cost():
    found = verdict_of(PLAN, judged({"1": 0.08, "3": 0.001}))
    assert (found.winner.trial, found.missing, found.trials) == ("1", 0, 4)
    assert [one.word for one in found.finalists] == ["better", "not shown to be better"]
    text = "\n".join(found.lines())
    assert text.startswith("Trial 1 is better than what you had: fitness 0.4002 -> 0.4796, +0.0794 (95 % interval ")
    assert "better with 5 of 5 seeds" in text
    assert "scale        0.5      0.1" in text
    assert "verdict: 15 trainings, 135 epochs, 15:15:15; search: 4 trainings, 36 epochs, 0:02:00" in text
    document = whole_document(found)
    assert document["winner"] == "1"
    assert document["is_whole"]
    assert document["answer"] == found.answer()[0]
    assert document["start"]["values"] == SETS
    assert document["cost"]["verdict"] == {"trainings": 15, "epochs": 135, "seconds": 15 * 3661.0}
    assert document["finalists"][0]["values"] == SETS | {"scale": 0.1}


def test_no_winner_is_an_answer_that_says_how_small_a_difference_could_not_be_seen():
    found = verdict_of(PLAN, judged({"1": 0.002, "3": -0.06}))
    assert found.winner is None
    assert [(one.trial, one.word) for one in found.finalists] == [("1", "not shown to be better"), ("3", "worse")]
    assert found.answer()[0].endswith("is shown to be better than what you had: keep your set.")
    half = found.finalists[0].effect.high - found.finalists[0].effect.value
    assert f"a difference below {half:.4f} is no more than noise" in found.answer()[1]
    assert "what differs" not in "\n".join(found.lines())
    assert whole_document(found)["winner"] is None


def test_nothing_that_beat_the_start_set_needs_no_further_training():
    done = searched((0.5, 0.4, 0.3))
    found = verdict_of(PLAN, done)
    assert found.lines()[0] == "Nothing is better than what you had: of 3 trials none beat the start set."
    assert whole_document(found)["finalists"] == []
    assert (found.cost.trainings, found.missing) == (0, 0)


def test_what_is_to_come_is_counted_and_nothing_is_claimed_before():
    found = verdict_of(PLAN, judged({"1": 0.08}, leaves=["v-3-s5", "v-3-s4"]))
    assert found.answer() == ["No verdict yet: 2 trainings of it to come."]
    assert found.winner is None
    document = whole_document(found)
    assert not document["is_whole"]
    nothing = verdict_of(PLAN, searched())
    assert nothing.answer() == ["No verdict yet: 15 trainings of it to come."]
    assert whole_document(nothing)["finalists"][0]["difference"] == {"value": None, "low": None, "high": None}
    assert nothing.lines()


def test_a_finalist_that_failed_is_not_better_and_says_so():
    found = verdict_of(PLAN, judged({"1": 0.08, "3": 0.06}, fails=["v-1-s2"]))
    assert found.winner.trial == "3"
    one = next(one for one in found.finalists if one.trial == "1")
    assert (one.failed, one.pairs, one.word) == (1, 4, "failed with 1 seed")
    assert whole_document(found)["finalists"]


def test_without_the_start_set_there_is_no_verdict():
    found = verdict_of(PLAN, judged({"1": 0.08}, fails=[f"v-start-s{seed}" for seed in range(1, 6)]))
    assert found.answer() == ["No verdict: the start set could not be trained."]
    assert whole_document(found)["start"]["fitness"] is None


def test_of_two_seeds_nothing_can_be_said():
    two = PLAN.model_copy(update={"verdict": VerdictRules(finalists=1, seeds=2)})
    done = searched()
    for job in verdict_jobs(two, done):
        done[job.name] = Result(job, 0.4 + 0.1 * (job.trial > 0))
    assert "fewer than 3 seeds" in " ".join(verdict_of(two, done).answer())


def test_the_search_that_went_on_pays_for_what_it_added_and_old_records_cost_nothing():
    jobs = [
        Job("1-r0", 1, SETS, 3, 9, 0),
        Job("1-r1", 1, SETS, 9, 9, 0, goes_on_from="1-r0"),
        Job("old-a", -1, {}, 0, 0, 0),
    ]
    done = {job.name: Result(job, 0.1, seconds=5) for job in jobs}
    assert Cost.of(done, Stage.TRIAL) == Cost(2, 9, 10.0)


def test_whole_studies_of_noise_claim_next_to_nothing_although_each_chose_its_luckiest_sets():
    asked = search_plan(6, 3, verdict=VerdictRules(finalists=3, seeds=5))
    winners = judged_ones = 0
    for study in range(40):
        plan = asked.model_copy(update={"seed": study})
        done = worked(WithVerdict(Halving.of(plan), plan), by_noise(study)).done
        winners += verdict_of(plan, done).winner is not None
        judged_ones += bool(finalists(plan, done))
    assert judged_ones > 20
    assert winners <= 3


def test_a_whole_study_of_a_real_effect_finds_it():
    plan = search_plan(8, 3, verdict=VerdictRules(finalists=2, seeds=5))
    noise = by_noise(1)
    found = worked(WithVerdict(Halving.of(plan), plan), lambda job: noise(job) + 0.4 * (job.values["scale"] < 0.45))
    best = verdict_of(plan, found.done).winner
    assert best.values["scale"] < 0.45
    assert best.effect.low > 0.3
    assert replace(best, is_better=False).word == "not shown to be better"
