# SPDX-License-Identifier: Apache-2.0
"""Autobatch on simulated allocators: lines, steps, noise, blocks.

Never above memory, never falling when memory grows.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from boxwright.engine.autobatch import CAP, PROBES, SHARE, fitting_batch

MEMORY = st.floats(1e8, 1e11)
START = st.floats(1e7, 5e9)
SLOPE = st.floats(1e5, 2e9)


def allocator(start, slope, block=1.0, curve=0.0, free=float("inf")):
    def measure(batch):
        needed = start + slope * batch + curve * slope * batch**2
        needed = -(-needed // block) * block
        return needed if needed <= free else None

    return measure


@given(MEMORY, START, SLOPE, st.sampled_from([1.0, 2.0**21, 2.0**25]), st.sampled_from([0.0, 0.01, 0.1]))
def test_the_answer_fits_is_at_least_one_and_stays_under_the_cap(free, start, slope, block, curve):
    measure = allocator(start, slope, block, curve, free)
    batch = fitting_batch(measure, free)
    assert 1 <= batch <= CAP
    needed = measure(batch)
    assert batch == 1 or (needed is not None and needed <= SHARE * free)


@given(START, SLOPE, MEMORY, st.floats(1, 10))
def test_more_memory_never_means_fewer_images(start, slope, free, more):
    assert fitting_batch(allocator(start, slope, free=free * more), free * more) >= fitting_batch(
        allocator(start, slope, free=free), free
    )


@given(START, SLOPE, MEMORY)
def test_on_a_line_the_answer_is_the_largest_that_fits(start, slope, free):
    measure = allocator(start, slope, free=free)
    batch = fitting_batch(measure, free)
    largest = int((SHARE * free - start) // slope)
    if largest >= max(PROBES):
        assert batch >= min(largest, CAP) * 0.99 - 1


@given(MEMORY)
def test_memory_that_does_not_grow_is_not_trusted_beyond_what_was_seen(free):
    assert fitting_batch(lambda _batch: free / 2, free) == max(PROBES)


@given(MEMORY)
def test_where_nothing_fits_one_image_is_left_to_the_parts(free):
    assert fitting_batch(lambda _batch: None, free) == 1
