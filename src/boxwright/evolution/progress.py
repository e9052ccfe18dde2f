# SPDX-License-Identifier: Apache-2.0
"""A result of a study in a line: what it came to, what is best, and how long the rest takes."""

from __future__ import annotations

from boxwright.evolution.overview import whole_trials
from boxwright.evolution.time_left import seconds_left
from boxwright.search.job import Result, Stage
from boxwright.search.ledger import Ledger
from boxwright.search.ranking import is_old
from boxwright.structures.answer import counted
from boxwright.track.sinks.epoch_row import clock

MOST_SHOWN = 100_000  # trials; a study that its budget ends has no number of them


def line_of(result: Result, ledger: Ledger, workers: int) -> str:
    """The line. `workers` are those of the command; others may work on the study as well."""
    job, plan, best = result.job, ledger.plan, ledger.best()
    what = "verdict" if job.stage is Stage.VERDICT else "trial"
    short = f" after {counted(job.epochs, 'epoch')}" if job.epochs < job.horizon else ""
    came_to = f"failed, {result.failure}: {result.reason}" if result.is_failed else f"fitness {result.fitness:.4g}"
    parts = [f"{what} {job.name}{short}: {came_to}", f"{result.seconds:.0f} s"]
    if best is not None:
        is_best = best.job.name == job.name
        parts.append("the best so far" if is_best else f"best {best.fitness:.4g} (trial {best.job.name})")
    whole = sum(not is_old(one) for one in whole_trials(ledger).values())
    parts.append(f"{whole} of {plan.trials} done" if plan.trials <= MOST_SHOWN else f"{whole} done")
    left = seconds_left(plan, ledger.results(), max(len(ledger.running()), workers))
    return ", ".join([*parts, *([f"about {clock(left)} left"] if left else [])])
