# SPDX-License-Identifier: Apache-2.0
"""Which hyperparameters made the difference, and what a study tells beside its winner."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from boxwright.search.importance import FEWEST, importances
from boxwright.search.insight import insight_of
from boxwright.search.job import Job, Result
from boxwright.search.study import Key
from tests.support.evolving import failed, plan_of

KEYS = tuple(Key(f"key{number}", 0.0, 1.0) for number in range(8))
START = {key.name: 0.5 for key in KEYS}
PLAN = plan_of("search", keys=KEYS, start=START)


def study(fitness, trials=48, seed=0, moved=KEYS):
    """Trials with sets drawn anywhere, and results by their set and noise."""
    draw, done = np.random.default_rng(seed), {}
    for trial in range(trials):
        values = {key.name: float(draw.random()) if key in moved else 0.5 for key in KEYS}
        value = fitness(values) + 0.01 * float(draw.standard_normal())
        job = Job(f"{trial}-r0", trial, values, 3, 27, 0)
        done[job.name] = Result(job, value)
    return done


def one_matters(values):
    return 0.5 - (values["key3"] - 0.9) ** 2


def test_the_key_that_makes_the_difference_is_found_and_explains_most():
    found = importances(PLAN, study(one_matters))
    best = max(found, key=lambda one: one.share)
    assert (best.key, best.word) == ("key3", "matters")
    assert best.share > 0.7
    assert sum(one.share for one in found) == pytest.approx(1)


def test_an_optimum_between_the_limits_is_seen_as_well():
    found = importances(PLAN, study(lambda values: 0.5 - (values["key5"] - 0.5) ** 2))
    assert max(found, key=lambda one: one.share).key == "key5"


def test_of_noise_no_more_keys_matter_than_chance_makes_so():
    found = [one.matters for seed in range(12) for one in importances(PLAN, study(lambda values: 0.4, seed=seed))]
    assert np.mean(found) <= 0.1


def test_keys_that_a_search_moves_along_with_the_good_one_do_not_matter():
    """Late trials are good and alike in every key: only what differs among trials of one time is compared."""
    draw, done, matter = np.random.default_rng(3), {}, []
    for seed in range(6):
        for trial in range(64):
            share = trial / 64
            values = {key.name: float(np.clip(0.3 + 0.5 * share + draw.normal(0, 0.1), 0, 1)) for key in KEYS}
            job = Job(f"{trial}-r0", trial, values, 3, 27, 0)
            done[job.name] = Result(job, values["key3"] + 0.01 * float(draw.standard_normal()))
        found = importances(PLAN.model_copy(update={"seed": seed}), done)
        matter += [one.matters for one in found if one.key != "key3"]
        assert found[3].matters
    assert np.mean(matter) <= 0.15


def test_of_few_trials_nothing_is_told():
    found = importances(PLAN, study(one_matters, trials=FEWEST - 1))
    assert all(math.isnan(one.share) and not one.matters and one.word == "not known" for one in found)
    assert not math.isnan(importances(PLAN, study(one_matters, trials=FEWEST))[0].share)


def test_a_key_that_never_moved_is_not_known():
    found = importances(PLAN, study(one_matters, moved=KEYS[2:]))
    assert [one.word for one in found[:2]] == ["not known"] * 2
    assert found[3].matters


def test_failed_trials_stand_last():
    done = {
        name: failed(one.job) if one.job.values["key6"] > 0.6 else one
        for name, one in study(lambda values: 0.4, seed=5).items()
    }
    best = max(importances(PLAN, done), key=lambda one: one.share)
    assert best.key == "key6"


def test_the_same_study_says_the_same():
    done = study(one_matters)
    assert importances(PLAN, done) == importances(PLAN, dict(reversed(done.items())))


def test_sets_of_an_earlier_record_that_lack_a_key_had_the_start_sets_value():
    old = {f"old-{n}": Result(Job(f"old-{n}", n - 30, {"key3": n / 30}, 0, 0, 0), n / 30) for n in range(30)}
    found = insight_of(PLAN, old)
    assert found.trials == 30
    assert [(one.low, one.high) for one in found.keys[:1]] == [(0.5, 0.5)]
    assert found.keys[3].importance.matters
    assert found.keys[3].best == 29 / 30


# -- what a study tells


def test_a_study_tells_what_was_tried_what_matters_and_what_failed():
    done = study(one_matters)
    done["2-r0"] = failed(done["2-r0"].job)
    found = insight_of(PLAN, done)
    key = found.keys[3]
    best = max((one for one in done.values() if not one.is_failed), key=lambda one: one.fitness)
    assert (key.start, key.best) == (0.5, best.job.values["key3"])
    assert key.low == min(one.job.values["key3"] for one in done.values())
    assert found.failed == {"2": "out of memory: the device has no room"}
    lines = found.lines()
    assert lines[1].startswith("key3"), "what matters most is first"
    assert "matters" in lines[1]
    assert lines[-2:] == ["failed: 1 trial", "  trial 2: out of memory: the device has no room"]


def test_ranks_of_two_lengths_are_compared_in_words():
    done = study(one_matters, trials=8)
    for name, one in list(done.items()):
        job = Job(name.replace("r0", "r1"), one.job.trial, one.job.values, 9, 27, 0, goes_on_from=name)
        done[job.name] = Result(job, one.fitness + 0.1)
    assert insight_of(PLAN, done).lines()[0] == "rank correlation of 3 and 9 epochs: +1.00 (8 trials; reliable)"


@pytest.mark.parametrize("trials", [0, 1, 5, 48])
def test_its_document_is_json_that_every_program_reads(trials):
    found = insight_of(PLAN, study(one_matters, trials=trials))
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["trials"] == trials
    assert list(document["keys"]) == [key.name for key in KEYS]
    assert (document["keys"]["key3"]["importance"] is None) == (trials < FEWEST)
    assert isinstance(document["keys"]["key3"]["matters"], bool)
    assert found.lines()
