# SPDX-License-Identifier: Apache-2.0
"""What few paired differences say, beside tables and beside every pattern of signs, one at a time."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from boxwright.search.paired import (
    least_of_sign_flips,
    probability_above_zero,
    sign_flips,
    t_cdf,
    t_interval,
    t_quantile,
)

TABLE = {  # of Student's t, as printed in books
    (1, 0.975): 12.7062,
    (2, 0.95): 2.9200,
    (2, 0.975): 4.3027,
    (3, 0.99): 4.5407,
    (4, 0.975): 2.7764,
    (7, 0.975): 2.3646,
    (9, 0.995): 3.2498,
    (30, 0.95): 1.6973,
}


@pytest.mark.parametrize(("freedom", "probability"), TABLE)
def test_quantiles_are_those_of_the_table_and_the_share_below_them_leads_back(freedom, probability):
    quantile = t_quantile(probability, freedom)
    assert quantile == pytest.approx(TABLE[freedom, probability], abs=1e-4)
    assert t_cdf(quantile, freedom) == pytest.approx(probability, abs=1e-9)
    assert t_quantile(1 - probability, freedom) == pytest.approx(-quantile)


def test_the_distribution_is_symmetric_and_ends_at_0_and_1():
    assert [t_cdf(x, 5) for x in (-math.inf, 0.0, math.inf)] == [0, 0.5, 1]
    assert t_cdf(1.3, 4) + t_cdf(-1.3, 4) == pytest.approx(1)


def test_an_interval_is_the_mean_and_as_many_errors_of_it_as_the_table_says():
    row = np.array([0.01, 0.03, 0.02, 0.05, 0.04])
    reach = 2.7764 * math.sqrt(0.00025 / 5)
    found = t_interval(row, 0.025)
    assert (found.value, found.low, found.high) == pytest.approx((0.03, 0.03 - reach, 0.03 + reach), abs=1e-6)
    wider = t_interval(row, 0.01)
    assert wider.low < found.low
    one = t_interval(row[:1], 0.025)
    assert (one.value, one.low, one.high) == (0.01, -math.inf, math.inf)


def test_the_probability_of_being_better_follows_from_mean_and_spread():
    assert probability_above_zero(np.array([-0.01, 0.01])) == 0.5
    assert probability_above_zero(np.array([0.02, 0.02, 0.02])) == 1
    assert probability_above_zero(np.array([-0.02, -0.02])) == 0
    assert probability_above_zero(np.array([0.0, 0.0])) == 0.5
    assert probability_above_zero(np.array([0.5])) == 0.5
    row = np.array([0.01, 0.03, 0.02, 0.05, 0.04])
    assert probability_above_zero(row) == pytest.approx(t_cdf(0.03 / math.sqrt(0.00025 / 5), 4))


def slowly(differences):
    """The same test as its description says it: every pattern of signs, the highest of all candidates."""
    norms = [math.sqrt(sum(x * x for x in row)) for row in differences]
    seen = [sum(row) / norm for row, norm in zip(differences, norms, strict=True)]
    patterns = list(product((1, -1), repeat=len(differences[0])))
    highest = [
        max(
            sum(sign * x for sign, x in zip(signs, row, strict=True)) / norm
            for row, norm in zip(differences, norms, strict=True)
        )
        for signs in patterns
    ]
    return [sum(one >= value - 1e-12 for one in highest) / len(patterns) for value in seen]


@pytest.mark.parametrize(("candidates", "pairs"), [(1, 3), (3, 5), (2, 8)])
def test_flipped_signs_are_counted_for_all_candidates_at_once(candidates, pairs):
    draw = np.random.default_rng(candidates * 10 + pairs)
    rows = draw.normal(0.3, 1.0, (candidates, pairs))
    assert sign_flips(rows).tolist() == slowly(rows.tolist())


def test_where_every_seed_agrees_it_is_the_least_that_the_test_can_say():
    assert sign_flips(np.full((1, 5), 0.02)).tolist() == [1 / 32] == [least_of_sign_flips(5)]
    assert sign_flips(np.full((1, 5), -0.02)).tolist() == [1]


def test_no_difference_at_all_is_luck_for_certain():
    assert sign_flips(np.zeros((2, 5))).tolist() == [1, 1]
    assert sign_flips(np.array([[0.1, 0.1, 0.1], [0.0, 0.0, 0.0]]))[1] == 1


def test_of_many_pairs_patterns_are_drawn_that_of_nature_among_them():
    agrees = sign_flips(np.full((1, 14), 0.02))
    assert 1 / 4096 <= agrees[0] <= 3 / 4096
    rows = np.random.default_rng(0).normal(0.2, 1.0, (2, 13))
    assert sign_flips(rows, seed=4).tolist() == sign_flips(rows, seed=4).tolist()
    assert sign_flips(rows).tolist() == pytest.approx(slowly(rows.tolist()), abs=0.03)
