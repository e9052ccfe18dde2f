# SPDX-License-Identifier: Apache-2.0
"""Where new sets come from when no further package is installed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from boxwright.search.job import Job, Result
from boxwright.search.proposals import (
    A_PRESET,
    ANYWHERE,
    NEAR_A_PRESET,
    NEAR_THE_START_SET,
    OF_THE_BEST,
    THE_START_SET,
    Mixture,
    mirrored,
)
from boxwright.search.scale import Cube, Scale
from boxwright.search.study import Key, SearchRules
from boxwright.search.tables import table_of
from tests.support.evolving import KEYS, START, failed, plan_of

ALL = table_of("6.0").keys
PRIORS = ({"lr0": 0.1, "scale": 0.9}, {"lr0": 0.02, "mosaic": 0.3}, {"lr0": 0.1, "scale": 5.0})


def plan(keys=KEYS, start=START, priors=PRIORS, seed=0):
    rules = SearchRules(proposer="random", priors=priors)
    return plan_of("search", trials=100, epochs=27, keys=keys, start=start, search=rules, seed=seed)


def proposed(mixture, count, fitness=lambda values: 0.1):
    """Trials 0 to `count`, each made when all before it are known."""
    done, found = {}, []
    for trial in range(count):
        one = mixture.propose(trial, done, {})
        assert one == mixture.propose(trial, done, {})
        found.append(one)
        job = Job(f"{trial}-r0", trial, one.values, 3, 27, 0)
        done[job.name] = Result(job, fitness(one.values))
    return found, done


def with_keys(names):
    keys = tuple(key for key in ALL if key.name in names)
    return plan(keys, {key.name: (key.low + key.high) / 3 for key in ALL}, ({"lr0": 0.05, "hsv_h": 0.05},))


@pytest.mark.parametrize("names", [["lr0"], ["hsv_h"], [key.name for key in ALL]], ids=["lr0", "hsv_h", "all"])
def test_sets_are_within_limits_of_five_digits_and_unlike_all_before(names):
    asked = with_keys(names)
    assert len(asked.keys) in {1, 29, 30}
    found, _ = proposed(Mixture(asked), 40)
    limits = {key.name: (key.low, key.high) for key in asked.keys}
    for one in found[1:]:
        assert list(one.values) == list(limits)
        for name, value in one.values.items():
            assert limits[name][0] <= value <= limits[name][1]
            assert value in {asked.start[name], float(f"{value:.5g}")}
    assert len({tuple(one.values.values()) for one in found}) == 40


def test_trial_0_is_the_users_set_as_it_is_even_beyond_limits_and_sets_near_it_are_within():
    mixture = Mixture(plan(start={**START, "lr0": 0.5, "scale": 0.1234567}, priors=()))
    found, _ = proposed(mixture, 30)
    assert found[0] == ({"lr0": 0.5, "momentum": 0.937, "scale": 0.1234567, "mosaic": 0.8}, THE_START_SET, ())
    near = [one.values["lr0"] for one in found if one.origin == NEAR_THE_START_SET]
    assert max(near) == 0.1


def test_presets_are_tried_as_they_are_each_once_within_the_limits_before_anything_near_them():
    found, _ = proposed(Mixture(plan()), 60)
    origins = [one.origin for one in found]
    presets = [one.values for one in found if one.origin == A_PRESET]
    whole = {name: START[name] for name in ("lr0", "momentum", "scale", "mosaic")}
    assert presets == [{**whole, "lr0": 0.1, "scale": 0.9}, {**whole, "lr0": 0.02, "mosaic": 0.3}]
    assert origins.index(NEAR_A_PRESET) > max(n for n, one in enumerate(origins) if one == A_PRESET)


def test_without_presets_there_are_other_sources():
    found, _ = proposed(Mixture(plan(priors=())), 40)
    assert {one.origin for one in found} == {THE_START_SET, NEAR_THE_START_SET, OF_THE_BEST, ANYWHERE}


def test_a_preset_that_is_the_start_set_is_not_tried_again():
    assert Mixture(plan(priors=({"lr0": START["lr0"]},))).priors == ()


def test_a_draw_belongs_to_seed_and_trial_and_not_to_what_was_drawn_before():
    one, other = Mixture(plan(priors=())), Mixture(plan(priors=()))
    other.propose(3, {}, {})
    assert one.propose(7, {}, {}) == other.propose(7, {}, {})
    assert one.propose(7, {}, {}) != one.propose(8, {}, {})
    assert one.propose(7, {}, {}) != Mixture(plan(priors=(), seed=1)).propose(7, {}, {})


def test_what_others_are_trying_is_not_proposed_again():
    mixture = Mixture(plan())
    first = mixture.propose(5, {}, {})
    taken = {"9-r0": Job("9-r0", 9, first.values, 3, 27, 0)}
    assert mixture.propose(5, {}, taken).values != first.values


def test_with_every_result_more_is_crossed_from_the_best_and_some_sets_are_always_drawn_anywhere():
    mixture = Mixture(plan(priors=()))
    _, done = proposed(mixture, 60)
    for count, low, high in ((0, 0, 0), (6, 0.3, 0.6), (60, 0.7, 0.92)):
        known = dict(list(done.items())[:count])
        counts = Counter(mixture.propose(trial, known, {}).origin for trial in range(100, 220))
        assert low <= counts[OF_THE_BEST] / 120 <= high
        assert 0.04 <= counts[ANYWHERE] / 120 <= 0.17


def test_parents_are_among_the_best_are_named_and_never_failed():
    mixture = Mixture(plan(priors=()))
    _, done = proposed(mixture, 20, fitness=lambda values: 1 - abs(values["scale"] - 0.3))
    best = sorted(done, key=lambda name: -done[name].fitness)[:7]
    done[best[0]] = failed(done[best[0]].job)
    parents = Counter(name for trial in range(100, 200) for name in mixture.propose(trial, done, {}).made_from)
    assert set(parents) <= set(best[1:])
    assert parents[best[1]] > 1.6 * parents[best[5]], "the better, the likelier"


def test_sets_of_an_earlier_record_that_lack_a_key_are_parents_too():
    old = Result(Job("old-a", -1, {"lr0": 0.02}, 0, 0, 0), 0.9)
    found = [Mixture(plan()).propose(trial, {"old-a": old}, {}) for trial in range(1, 40)]
    assert any(one.made_from == ("old-a",) for one in found)


def test_walls_are_mirrors():
    assert mirrored(np.array([-0.2, 0.3, 1.2, 2.3, -1.1])) == pytest.approx([0.2, 0.3, 0.8, 0.3, 0.9])


def test_rates_and_gains_go_by_factors_and_what_may_be_0_by_differences():
    rate, gain, share = Scale(1e-5, 0.1), Scale(0.6, 0.98), Scale(0.0, 0.9)
    assert (rate.is_logarithmic, gain.is_logarithmic, share.is_logarithmic) == (True, False, False)
    assert (rate.value(0.5), rate.unit(0.001)) == (0.001, pytest.approx(0.5))
    assert (share.value(0.5), share.unit(0.45), share.unit(2.0)) == (0.45, 0.5, 1)
    assert (Scale(2, 2).unit(2), Scale(2, 2).value(0.7)) == (0.5, 2)
    assert rate.value(1 / 3) == float(f"{rate.value(1 / 3):.5g}")


def test_a_set_and_its_point_lead_to_each_other():
    cube = Cube((Key("lr0", 1e-5, 0.1), Key("scale", 0, 0.9)))
    values = {"lr0": 0.012, "scale": 0.3}
    assert cube.values(cube.point(values)) == values
    with pytest.raises(KeyError):
        cube.point({"lr0": 0.01})
