# SPDX-License-Identifier: Apache-2.0
"""The measure itself: what it must find, it finds."""

from __future__ import annotations

import pytest

from tests.support.budget import within_budget


def run(program: str, **limits: float) -> object:
    return within_budget([], program=("-S", "-c", program), **limits)


def test_memory_is_that_of_the_program_alone_and_its_largest():
    spent = run("block = b'x' * (200 << 20); del block")
    assert 200 < spent.peak_mb < 240
    assert spent.code == 0


def test_output_errors_and_exit_code_come_back():
    spent = run("import sys; print('said'); sys.stderr.write('one\\ntwo\\n'); sys.exit(7)")
    assert (spent.code, spent.out, spent.err) == (7, "said\n", "one\ntwo\n")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("held = []\nwhile True: held.append(bytearray(b'x' * (8 << 20)))", "over 100 MB"),
        ("while True: pass", "over 1 s"),
        ("block = b'x' * (300 << 20); del block", "over 100 MB"),
    ],
    ids=["grows", "turns", "is large for a moment"],
)
def test_what_takes_too_much_is_ended_and_named(program, why):
    with pytest.raises(AssertionError, match=why):
        run(program, memory_mb=100, cpu_s=1)


def test_what_waits_for_ever_is_ended_and_named(monkeypatch):
    monkeypatch.setattr("tests.support.budget.STILL_S", 0.5)
    with pytest.raises(AssertionError, match="hangs"):
        run("import signal; signal.pause()", cpu_s=0.5)
