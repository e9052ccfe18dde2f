# SPDX-License-Identifier: Apache-2.0
"""Kill and freeze processes of a training that several train together, and look at what is left.

`make chaos RANKS=3`, or `python -m benchmarks.chaos_ranks --ranks 3 --troubles 50`.

In each start of a run one process, drawn anew, is killed or frozen in one of its steps; then the same command is
started again, as a launcher does. Three verdicts, of which only the first is good:

clean               the others ended by themselves within the time, and the run came to the bits of an undisturbed one
silently different  it came to its end with other bits or another table
hung                the others did not end within the time
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from boxwright.engine.loop import Trainer
from boxwright.errors import EXIT_TRY_AGAIN
from tests.support.ranks import commands
from tests.support.runs import Ground, differences, training_state

EPOCHS = 3
PATIENCE_S = 5
LIMIT_S = 30.0  # within which all others have to be gone
WORDS = ("--noplots", "--save-steps", "1", "--amp", "off", "--rank-timeout", str(PATIENCE_S), "nominal_batch=8")
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP)


class Trouble:
    """One process of the next start gets a signal before one of its optimizer steps. When is seen at `note`."""

    def __init__(self, draw: random.Random, ranks: int, note: Path) -> None:
        self.rank, self.step, self.number = draw.randrange(ranks), draw.randint(1, 5), draw.choice(SIGNALS)
        self.note = note

    def __call__(self, rank: int) -> None:
        """Lay the trap, in the process that is meant."""
        if rank != self.rank:
            return
        left, optimize = [self.step], Trainer._optimize  # noqa: SLF001 -- the step itself

        def trapped(trainer: Trainer) -> None:
            left[0] -= 1
            if left[0] == 0:
                self.note.touch()
                os.kill(os.getpid(), self.number)
            optimize(trainer)

        Trainer._optimize = trapped  # noqa: SLF001 -- likewise


def untroubled(_rank: int) -> None:
    """Let it come to its end."""


def one_run(
    words: list[str], calm: Path, folder: Path, draw: random.Random, ranks: int, noticed: list[tuple[int, float]]
) -> str:
    """Trouble and start again until a run is through; its verdict.

    `noticed`: which signal, and the seconds until all others were gone.
    """
    run, note = folder / "exp", folder.with_suffix(".note")
    for attempt in range(40):
        trouble = Trouble(draw, ranks, note)
        note.unlink(missing_ok=True)
        found = commands(
            ranks,
            [*words, "--project", str(folder)],
            trouble if attempt < 4 else untroubled,
            attempt=attempt,
            job=folder.name,
        )
        codes = [one.code for one in found]
        if not any(codes):
            states = [training_state(place / "weights" / "last.pt") for place in (calm, run)]
            same = not differences(*states)
            rows = (run / "results.csv").read_bytes() == (calm / "results.csv").read_bytes()
            return "clean" if same and rows else "silently different"
        noticed.append((trouble.number, time.time() - note.stat().st_mtime))
        if noticed[-1][1] > LIMIT_S or {*codes} - {-signal.SIGKILL, EXIT_TRY_AGAIN}:
            print(codes, [one.err for one in found])
            return "hung"
    return "hung"


def main() -> int:
    """Print the figures; 0 when every run is clean."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--ranks", type=int, default=3)
    asked.add_argument("--troubles", type=int, default=50)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    draw, verdicts = random.Random(options.seed), Counter()
    noticed: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        ground = Ground.laid(home / "ground")
        words = ground.words(home, *WORDS, "--batch", str(2 * options.ranks), epochs=EPOCHS)
        found = commands(options.ranks, [*words, "--project", str(home / "calm")], job="calm")
        assert not any(one.code for one in found), found
        while len(noticed) < options.troubles:
            folder = home / f"run{sum(verdicts.values())}"
            verdicts[one_run(words, home / "calm" / "exp", folder, draw, options.ranks, noticed)] += 1
            print(f"{len(noticed)} troubles, {dict(verdicts)}", flush=True)
    print(f"\n{len(noticed)} processes, one of {options.ranks} at a time, in {sum(verdicts.values())} runs")
    for number, what in ((signal.SIGKILL, "killed"), (signal.SIGSTOP, "frozen")):
        waits = [wait for told, wait in noticed if told == number]
        if waits:
            worst = f"median {statistics.median(waits):.1f} s, worst {max(waits):.1f} s"
            print(f"{what:<20}{len(waits):>5}   all others were gone after {worst}")
    for verdict in ("clean", "silently different", "hung"):
        print(f"{verdict:<20}{verdicts[verdict]:>5}")
    return 0 if verdicts.keys() <= {"clean"} else 1


if __name__ == "__main__":
    sys.exit(main())
