# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from boxwright.keyed import Purpose, generator, permutation

ADDRESS = st.tuples(st.integers(0, 2**40), st.sampled_from(list(Purpose)), st.integers(0, 10**6), st.integers(0, 10**9))


@given(ADDRESS)
def test_the_same_address_gives_the_same_numbers(address):
    assert (generator(*address).random(5) == generator(*address).random(5)).all()


@given(ADDRESS, ADDRESS)
def test_different_addresses_give_different_numbers(first, second):
    equal = (generator(*first).random(4) == generator(*second).random(4)).all()
    assert equal == (first == second)


def test_neighbouring_addresses_are_not_correlated():
    draws = np.array([generator(0, Purpose.SAMPLE, 0, i).random(2) for i in range(4000)])
    assert abs(draws.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.05


def test_the_streams_themselves_are_part_of_the_contract():
    assert generator(0, Purpose.SAMPLE, 3, 7).integers(0, 1000, 4).tolist() == CONTRACT
    assert sorted(permutation(10, 1, Purpose.ORDER, 2)) == list(range(10))


CONTRACT = [782, 78, 463, 79]
