# SPDX-License-Identifier: Apache-2.0
"""How often a verdict is wrong, and how often it sees what is there: `make search`.

First the decision alone, for numbers of seeds and finalists and for noise of several shapes: of studies in which
nothing has any effect, how many claim a winner. Then the power: how many find an effect of so many standard deviations
of one training. Last whole studies, in which halving chooses the luckiest of sets that are all alike.
"""

from __future__ import annotations

import sys

import numpy as np

from boxwright.search.finalists import WithVerdict, finalists
from boxwright.search.halving import Halving
from boxwright.search.job import Result
from boxwright.search.study import SearchRules, StudyPlan, VerdictRules
from boxwright.search.verdict import WRONG, compared, verdict_of
from tests.oracles.plain_mutation import KEYS

STUDIES = 1000
SEEDS, FINALISTS, EFFECTS = (3, 4, 5, 8), (1, 3), (1, 2, 3, 4)
TRIALS, EPOCHS = 12, 9  # of a whole study
NOISES = {
    "normal": lambda draw, shape: draw.normal(size=shape),
    "Student's t, 3": lambda draw, shape: draw.standard_t(3, shape),
    "Student's t, 1.5": lambda draw, shape: draw.standard_t(1.5, shape),
    "skewed": lambda draw, shape: -draw.lognormal(0, 1, shape),
    "one in ten collapses": lambda draw, shape: draw.normal(size=shape) - 10 * (draw.random(shape) < 0.1),
    "uniform": lambda draw, shape: draw.uniform(-1, 1, shape),
    "coarse": lambda draw, shape: np.round(draw.normal(size=shape)),
}


def main(words: list[str]) -> int:
    studies = int(words[0]) if words else STUDIES
    columns = [(seeds, count) for seeds in SEEDS for count in FINALISTS]
    print(f"winners claimed in {studies} studies without any effect, in percent: seeds x finalists")
    head("noise", columns)
    wrong = [row(name, [false_wins(noise, *pair, studies) for pair in columns]) for name, noise in NOISES.items()]
    print("\neffects of one finalist that were found, in percent: seeds x finalists")
    head("standard deviations of a training", columns)
    for effect in EFFECTS:
        row(f"{effect}", [power(effect, *pair, studies) for pair in columns])
    print()
    rates = [whole_studies(name, studies) for name in ("normal", "Student's t, 1.5")]
    highest = max([*rates, *(max(one) for one in wrong)])
    print(f"\nhighest rate of false winners: {100 * highest:.1f} %, at most {100 * WRONG:g} % are allowed")
    return 0 if highest <= WRONG + 2 * np.sqrt(WRONG * (1 - WRONG) / studies) else 1  # what counting is unsure of


def false_wins(noise, seeds: int, count: int, studies: int) -> float:
    fitness = noise(np.random.default_rng(seeds * 100 + count), (studies, 1 + count, seeds))
    return float(np.mean([any(one["is_better"] for one in compared(study)) for study in fitness]))


def power(effect: float, seeds: int, count: int, studies: int) -> float:
    fitness = np.random.default_rng(seeds * 100 + count).normal(size=(studies, 1 + count, seeds))
    fitness[:, 1] += effect
    return float(np.mean([compared(study)[0]["is_better"] for study in fitness]))


def whole_studies(name: str, studies: int) -> float:
    """Searches with a verdict of three finalists and five seeds where every training is noise alone."""
    won = judged = 0
    start = {key.name: (key.low + key.high) / 2 for key in KEYS}
    for study in range(studies):
        plan = StudyPlan(
            method="search",
            trials=TRIALS,
            epochs=EPOCHS,
            start=start,
            keys=KEYS,
            seed=study,
            search=SearchRules(proposer="random"),
            verdict=VerdictRules(finalists=3, seeds=5),
        )
        noise = NOISES[name](np.random.default_rng(study), 10 * TRIALS).tolist()
        method, done = WithVerdict(Halving.of(plan), plan), {}
        while (job := method.next_job(done, {})) is not None:
            done[job.name] = Result(job, 0.4 + 0.01 * noise[len(done)])
        won += verdict_of(plan, done).winner is not None
        judged += bool(finalists(plan, done))
    print(
        f"whole studies, noise {name}: {won} of {studies} claim a winner, {judged} of them had finalists "
        f"({TRIALS} trials, halving to {EPOCHS} epochs, at most 3 finalists, 5 seeds)"
    )
    return won / studies


def head(what: str, columns) -> None:
    print(f"{what:<34}", *(f"{f'{seeds} x {count}':>6}" for seeds, count in columns))


def row(name: str, shares: list[float]) -> list[float]:
    print(f"{name:<34}", *(f"{100 * share:6.1f}" for share in shares), flush=True)
    return shares


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
