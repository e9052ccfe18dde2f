# SPDX-License-Identifier: Apache-2.0
"""Kill a training hundreds of times and look at what is left.

`make chaos`, or `python -m benchmarks.chaos --kills 200`.

A run is killed again and again, at random moments and at chosen steps and operations on files, and resumed with the one
plain command, until it is through. Four verdicts, of which only the first is good:

clean               it went on by itself, to the bits of a run that nobody disturbed
needs hand work     a resume failed silently different  it ended, with other bits or another table lost work
after a kill it stood further back than the save before
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from boxwright.system.tensors import newest_whole
from tests.support.kills import at_operation, at_step, forked
from tests.support.runs import Ground, Trained, differences, train, training_state

EPOCHS = 8
WORDS = ("--noplots", "--save-steps", "1", "nominal_batch=8", "warmup_min_batches=6", "--multi-scale")


def place_of(folder: Path) -> tuple[int, int]:
    """Where the newest state stands."""
    last = folder / "weights" / "last.pt"
    if not last.exists():
        return (0, 0)
    state = newest_whole(last)[0]["state"]
    return state["epoch"], state["batch"]


def verdict_of(calm: Trained, folder: Path) -> str:
    """Of a run that is through."""
    same = not differences(training_state(calm.last), training_state(folder / "weights" / "last.pt"))
    rows = (folder / "results.csv").read_bytes() == (calm.folder / "results.csv").read_bytes()
    return "clean" if same and rows else "silently different"


def trouble(draw: random.Random, seconds: float):
    """One way to be killed: `arm` and a delay."""
    kind = draw.choice(("moment", "moment", "step", "operation"))
    if kind == "step":
        return kind, at_step(draw.randint(1, 6)), 0.0
    if kind == "operation":
        return kind, at_operation(draw.randint(1, 4), draw.randint(1, 10)), 0.0
    return kind, lambda: None, draw.uniform(0.1 * seconds, seconds)


def one_run(calm: Trained, folder: Path, draw: random.Random, seconds: float, kills: Counter) -> str:
    """Kill and resume until a run is through; its verdict."""
    run = folder / "runs" / "exp"
    words = calm.ground.words(folder / "runs", *WORDS, epochs=EPOCHS)
    before = (0, 0)
    for attempt in range(60):
        kind, arm, delay = trouble(draw, seconds) if attempt < 12 else ("none", lambda: None, 0.0)
        started = (run / "weights" / "last.pt").exists()
        ended = forked(
            folder, ["train", "--resume", str(run)] if started else [*words, "--exist-ok"], arm, kill_after_s=delay
        )
        kills[kind] += ended.code == -signal.SIGKILL
        if ended.code == 0:
            return verdict_of(calm, run)
        if ended.code != -signal.SIGKILL:
            print(ended.err)
            return "needs hand work"
        if place_of(run) < before:
            return "lost work"
        before = place_of(run)
    return "needs hand work"


def main() -> int:
    """Print the figures; 0 when every run is clean."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--seed", type=int, default=0)
    options = asked.parse_args()
    draw, kills, verdicts = random.Random(options.seed), Counter(), Counter()
    with tempfile.TemporaryDirectory() as place:
        ground = Ground.laid(Path(place) / "ground")
        train(ground, Path(place) / "first", *WORDS, epochs=1)  # loads what the forked ones need
        began = time.monotonic()
        calm = train(ground, Path(place) / "calm", *WORDS, epochs=EPOCHS)
        seconds = time.monotonic() - began
        while sum(kills.values()) < options.kills:
            folder = Path(place) / f"run{sum(verdicts.values())}"
            folder.mkdir()
            verdicts[one_run(calm, folder, draw, seconds, kills)] += 1
            print(f"{sum(kills.values())} kills, {dict(verdicts)}", flush=True)
    print(
        f"\n{sum(kills.values())} kills "
        f"({', '.join(f'{count} at a random {kind}' for kind, count in kills.items() if count)}) of "
        f"{sum(verdicts.values())} runs"
    )
    for verdict in ("clean", "needs hand work", "silently different", "lost work"):
        print(f"{verdict:<20}{verdicts[verdict]:>5}")
    return 0 if verdicts.keys() <= {"clean"} else 1


if __name__ == "__main__":
    sys.exit(main())
