# SPDX-License-Identifier: Apache-2.0
"""Which training gets which seed. What is compared sees the same batches and draws (common random numbers)."""

from __future__ import annotations

from boxwright.search.study import StudyPlan


def trial_seed(plan: StudyPlan) -> int:
    """The seed of every trial, at every rung: trials differ by their hyperparameters alone, and go on as they began."""
    return plan.seed


def verdict_seeds(plan: StudyPlan) -> tuple[int, ...]:
    """Those of the verdict, the same for every finalist and the start set.

    None of them is that of the trials: a finalist was chosen for what it did there, luck included.
    """
    return tuple(plan.seed + 1 + number for number in range(plan.verdict.seeds))
