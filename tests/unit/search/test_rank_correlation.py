# SPDX-License-Identifier: Apache-2.0
"""Whether short trainings foretell long ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from boxwright.search.job import Job, Result
from boxwright.search.rank_correlation import FEWEST, rank_correlations, shared_ranks, spearman
from tests.support.evolving import failed


def results(short, long, rung=(3, 9)):
    """Trials by their fitness at both lengths; those without a longer one lack it."""
    found = {}
    for trial, value in enumerate(short):
        pairs = [(rung[0], value), *([(rung[1], long[trial])] if trial < len(long) else [])]
        for number, (epochs, fitness) in enumerate(pairs):
            job = Job(f"{trial}-r{number}", trial, {}, epochs, 27, 0)
            found[job.name] = failed(job) if fitness is None else Result(job, fitness)
    return found


def test_equal_values_share_their_ranks():
    assert shared_ranks(np.array([0.3, 0.1, 0.3, 0.2])).tolist() == [3.5, 1, 3.5, 2]
    assert shared_ranks(np.array([0.3, 0.3, 0.3])).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("second", "value"),
    [
        ([1, 2, 3, 4, 5], 1),
        ([10, 20, 30, 400, 5000], 1),  # ranks alone count
        ([5, 4, 3, 2, 1], -1),
        ([2, 1, 4, 3, 5], 0.8),  # 1 - 6 * 4 / (5 * 24)
        ([1, 1, 2, 2, 3], 0.948683),
    ],
)
def test_the_correlation_is_that_of_ranks(second, value):
    assert spearman(np.array([1.0, 2, 3, 4, 5]), np.array(second, float)) == pytest.approx(value, abs=1e-6)


def test_where_one_side_is_all_equal_there_is_none():
    assert math.isnan(spearman(np.array([1.0, 2, 3]), np.array([5.0, 5, 5])))


def test_every_two_lengths_are_compared_over_the_trials_that_had_both():
    (found,) = rank_correlations(results([0.1, 0.2, 0.3, 0.4, 0.5, 0.9], [0.5, 0.6, 0.7, 0.9, 0.8]))
    assert (found.epochs, found.more_epochs, found.trials, found.word) == (3, 9, 5, "reliable")
    assert found.value == pytest.approx(0.9)


def test_short_trainings_that_foretell_nothing_are_called_unreliable():
    (found,) = rank_correlations(results([0.1, 0.2, 0.3, 0.4, 0.5], [0.3, 0.1, 0.5, 0.2, 0.4]))
    assert found.value < 0.6
    assert found.word.startswith("unreliable")


def test_of_too_few_trials_nothing_is_said_and_failed_ones_do_not_count():
    (found,) = rank_correlations(results([0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4, None]))
    assert found.trials == FEWEST - 1
    assert math.isnan(found.value)
    assert found.word == "too few trials"


def test_one_length_has_nothing_to_be_compared_with():
    assert rank_correlations(results([0.1, 0.2], [])) == []
