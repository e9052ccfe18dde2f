# SPDX-License-Identifier: Apache-2.0
"""A training on Ray one of whose workers is killed: for a process of its own.

Only in the first attempt: a file beside the runs says that it was.
"""

from __future__ import annotations

from pathlib import Path

from boxwright import cli
from boxwright.runs import training
from boxwright.runs.ray_engine import train_on_ray
from tests.support.kills import at_step


class Dying:
    """The training, and SIGKILL to one rank within one of its steps."""

    def __init__(self, lost: int, step: int) -> None:
        self.lost, self.step = lost, step

    def __call__(self, resolved, observers, launch):
        mark = Path(resolved.settings.project) / "killed"
        if launch.rank == self.lost and not mark.exists():
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
            at_step(self.step)()
        return training.train(resolved, observers, launch)


def main(lost: int, step: int, words: list[str]) -> int:
    """The command line with such a training; its exit code."""
    training.train_on_ray = lambda resolved, observers, _: train_on_ray(resolved, observers, Dying(lost, step))
    return cli.main(words)
