# SPDX-License-Identifier: Apache-2.0
"""How compute threads wait for each other. It has to be said before torch is loaded, so this file does without it."""

from __future__ import annotations

import os

# GNU's OpenMP, which torch's Linux builds bring, turns in place some 300,000 times before a thread sleeps: milliseconds
# in which
# it takes a core from the very thread it waits for, as soon as anything else runs. On two cores a step took 2.5 times
# as long.
TURNS = "10000"


def wait_briefly() -> None:
    """Let compute threads sleep soon, unless the user has said how they should wait. No number changes by it."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", TURNS)
