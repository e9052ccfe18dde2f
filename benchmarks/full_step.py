# SPDX-License-Identifier: Apache-2.0
"""The whole training step against the textbook's, each side in its own process.

So that neither uses the other's memory.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Self

from benchmarks.measure import Result, paired

# width, image size, allocator of our side, goal
CASES = (("n", 320, "default", 2.0), ("n", 640, "default", 3.0), ("n", 640, "tuned", 3.0), ("s", 320, "default", 2.2))
MAX_LOSS_DIFFERENCE = 1e-2  # share; between bfloat16 and float32
ROUNDS = 5


@dataclass
class Side:
    """A process that makes a step for every line it is sent."""

    process: subprocess.Popen[str]

    @classmethod
    def started(cls, *words: str) -> Side:
        command = [sys.executable, "-m", "benchmarks.step_side", *words]
        return cls(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))

    def step(self) -> tuple[float, float]:
        """CPU seconds and loss of one more step."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, loss = self.process.stdout.readline().split()
        return float(seconds), float(loss)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def run() -> list[Result]:
    return [_measured(*case) for case in CASES]


def _measured(width: str, size: int, allocator: str, goal: float) -> Result:
    with (
        Side.started("ours", width, str(size), allocator) as ours,
        Side.started("textbook", width, str(size), "default") as theirs,
    ):
        (_, mine), (_, other) = ours.step(), theirs.step()
        assert abs(mine - other) <= MAX_LOSS_DIFFERENCE * abs(other), (mine, other)
        pairs = [(ours.step()[0], theirs.step()[0]) for _ in range(ROUNDS)]
    name = f"full step, {width}, {size}, batch 16, {allocator} allocator"
    return paired(name, pairs, goal=goal)
