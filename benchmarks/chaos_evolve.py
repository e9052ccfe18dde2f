# SPDX-License-Identifier: Apache-2.0
"""Kill and freeze the workers of a study a thousand times, and look at what is left; then how much several help.

`make chaos EVOLVE=1`, or `python -m benchmarks.chaos_evolve --trials 5000 --kills 1000`.

Trainings cost nothing here: their objective is a formula that waits a little. Processes take jobs from one folder.
Some are killed (SIGKILL), others frozen past their lease (SIGSTOP), so that others take over their jobs, and let go on.

lost          a worker was told that its result is kept, and it is not there, or not as it was
doubled       two workers were told that theirs is the one that counts
damaged       files that cannot be read
other values  trials that do not follow from the number and the parents that their file names

All have to be none, there has to be one result for each trial, and the best file has to name the highest one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.study_chaos import Chaos

WAITING_TRIALS, WAITING_S = 48, 0.25
GOAL = 1 / 3  # of the time of one worker, with four


def troubled(options: argparse.Namespace, home: Path) -> bool:
    """The chaos; whether nothing is wrong with what it left."""
    chaos = Chaos(
        home / "chaos",
        options.trials,
        options.workers,
        options.kills,
        options.freezes,
        lease_s=options.lease,
        limit_s=options.limit,
        seed=options.seed,
    )
    wrong, told = chaos.run(), chaos.told
    print(f"{options.workers} processes at a time, {told['workers']:,} in all, for {chaos.seconds:.0f} s")
    print(f"{told['kills']:,} killed, {told['freezes']:,} frozen past their lease of {options.lease} s")
    print(f"{told['results']:,} results of {options.trials:,} trials, {told['acknowledged']:,} told to be kept")
    print(f"{told['claims']:,} claims, {told['given_up']:,} trials at which three workers were lost")
    print(f"{told['stops']:,} stops for three such ones in a row")
    for what in ("lost", "doubled", "damaged", "other_values"):
        print(f"{what.replace('_', ' '):<20}{told[what]:>5}")
    for line in wrong:
        print(f"wrong: {line[:500]}")
    return not wrong


def helped(home: Path) -> bool:
    """Whether four workers need less than a third of the time of one, for an objective that waits."""
    seconds = {}
    for workers in (1, 4):
        chaos = Chaos(home / f"by {workers}", WAITING_TRIALS, workers, lease_s=10.0, work_s=WAITING_S, limit_s=120.0)
        assert chaos.run() == []
        seconds[workers] = chaos.seconds
    print(f"{WAITING_TRIALS} trials of {WAITING_S} s: {seconds[1]:.1f} s by one worker, {seconds[4]:.1f} s by four,")
    print(f"{seconds[4] / seconds[1]:.3f} of the time (goal: under {GOAL:.3f})")
    return seconds[4] < GOAL * seconds[1]


def main() -> int:
    """Print the figures; 0 when nothing is wrong and the goal is met."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--trials", type=int, default=5000)
    asked.add_argument("--workers", type=int, default=8)
    asked.add_argument("--kills", type=int, default=1000)
    asked.add_argument("--freezes", type=int, default=200)
    asked.add_argument("--lease", type=float, default=2.0, help="seconds")
    asked.add_argument("--limit", type=float, default=3600.0, help="seconds")
    asked.add_argument("--seed", type=int, default=0)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        return 0 if all([troubled(asked.parse_args(), home), helped(home)]) else 1


if __name__ == "__main__":
    sys.exit(main())
