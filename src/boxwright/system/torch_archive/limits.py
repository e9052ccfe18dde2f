# SPDX-License-Identifier: Apache-2.0
"""How much a file may ask of its reader."""

from __future__ import annotations

import time
from dataclasses import dataclass

LARGEST_BYTES = 8 << 30  # of a file; the largest network of the family takes two of them in training


@dataclass(frozen=True)
class Limits:
    """Bounds with room for the largest network of the field in training (about 210,000 instructions, 1 MB.

    Of program).
    """

    program_bytes: int = 32 << 20
    instructions: int = 400_000  # half a second of work
    memo: int = 300_000
    values: int = 100_000  # beside those of networks: options, the optimizer
    text_bytes: int = 4 << 20  # one string; class sources in files before 2020.8 are the longest
    key_text: int = 1 << 12  # characters of a key of a mapping: comparing two of them has to be nothing
    key_parts: int = 8  # members of a tuple that is a key: each look-up goes through all of them
    made_bytes: int = 64 << 20  # strings turned to bytes, which a short program could otherwise repeat without end
    written_bytes: int = 64 << 20  # plain values if they were written out: what is shared in the file counts everywhere
    integer_bytes: int = 16
    depth: int = 100
    records: int = 20_000
    tensors: int = 50_000
    dimensions: int = 8
    elements: int = 1 << 40
    seconds: float = 60.0  # for all of it; a slow machine reads the largest files in a tenth

    def deadline(self) -> float:
        """When reading that begins now has to be over."""
        return time.monotonic() + self.seconds


# Files of our own hold a row of results for every epoch behind them, and the names of a hundred thousand classes.
OWN = Limits(instructions=6_000_000, memo=3_000_000)
