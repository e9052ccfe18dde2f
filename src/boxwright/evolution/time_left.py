# SPDX-License-Identifier: Apache-2.0
"""How long a study still takes, from what its trials took so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.search.extent import Extent
from boxwright.search.halving import goes_on, rungs_of
from boxwright.search.job import Result, Stage
from boxwright.search.standing import epochs_trained
from boxwright.search.study import StudyPlan

if TYPE_CHECKING:
    from collections.abc import Mapping


def seconds_left(plan: StudyPlan, done: Mapping[str, Result], workers: int) -> float | None:
    """Seconds that so many workers need for the rest; None before anything is known of it."""
    trained = [result for result in done.values() if not result.is_failed and result.seconds > 0]
    epochs = epochs_trained(result.job for result in trained)
    if not epochs:
        return None
    per_epoch = sum(result.seconds for result in trained) / epochs
    budget = Extent.of(plan).limit
    if budget is not None and budget.unit == "hours":
        searching = max(budget.amount * 3600 - sum(result.seconds for result in _of(done, Stage.TRIAL)), 0.0)
    else:
        searching = max(_epochs_planned(plan) - epochs_trained(result.job for result in _of(done, Stage.TRIAL)), 0)
        searching *= per_epoch
    judged = sum(result.job.epochs for result in _of(done, Stage.VERDICT))
    judging = max((plan.verdict.finalists + 1) * plan.verdict.seeds * plan.epochs - judged, 0) * per_epoch
    return (searching + (judging if plan.verdict.finalists else 0.0)) / max(workers, 1)


def _epochs_planned(plan: StudyPlan) -> int:
    """Epochs of all trials, those of a verdict not among them."""
    if plan.method != "search":
        budget = Extent.of(plan).limit
        whole = plan.trials * plan.epochs
        return whole if budget is None else min(round(budget.amount), whole)
    if plan.search.budget:
        return plan.search.budget
    rungs = rungs_of(plan.epochs, plan.search.eta, plan.search.rungs)
    steps = [high - low for low, high in zip((0, *rungs), rungs, strict=False)]
    counts = goes_on(plan.trials, plan.search.eta, len(rungs))
    return sum(count * step for count, step in zip(counts, steps, strict=True))


def _of(done: Mapping[str, Result], stage: Stage) -> list[Result]:
    return [result for result in done.values() if result.job.stage is stage]
