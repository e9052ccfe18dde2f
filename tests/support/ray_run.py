# SPDX-License-Identifier: Apache-2.0
"""A training on Ray one of whose workers is killed: `python -m tests.support.ray_run RANK STEP WORDS`.

Only in the first attempt: a file beside the runs says that it was.
"""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from boxwright.config.assemble import resolve_verb
from boxwright.config.flags import read
from boxwright.config.schema.train import TrainSettings
from boxwright.runs.ray_engine import train_on_ray
from boxwright.runs.training import train
from tests.support.kills import at_step


def dying(lost: int, step: int, resolved, observers, launch):
    """The training, and SIGKILL to one rank within one of its steps."""
    mark = Path(resolved.settings.project) / "killed"
    if launch.rank == lost and not mark.exists():
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        at_step(step)()
    return train(resolved, observers, launch)


if __name__ == "__main__":
    lost, step, *words = sys.argv[1:]
    line = read("train", TrainSettings, words[1:], reports=False)
    asked = resolve_verb(TrainSettings, line.flags, line.words)
    from tests.support import ray_run  # by its name, so that workers find it

    print(train_on_ray(asked, (), functools.partial(ray_run.dying, int(lost), int(step))).folder)
