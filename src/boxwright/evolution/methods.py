# SPDX-License-Identifier: Apache-2.0
"""The method of a study, as its plan names it, with its budget and the verdict behind it."""

from __future__ import annotations

from boxwright.search.budget import Budgeted
from boxwright.search.extent import Extent
from boxwright.search.finalists import WithVerdict
from boxwright.search.halving import Halving
from boxwright.search.job import Method
from boxwright.search.mutation import Mutation
from boxwright.search.population import Population
from boxwright.search.study import StudyPlan


def method_of(plan: StudyPlan) -> Method:
    """What is trained next. Raises SettingError where a package that the plan needs is not installed."""
    found = _search(plan)
    budget = Extent.of(plan).limit
    if budget is not None and not (plan.method == "search" and budget.unit == "epochs"):  # halving plans with epochs
        found = Budgeted(found, budget)
    return WithVerdict(found, plan) if plan.verdict.seeds and plan.verdict.finalists else found


def _search(plan: StudyPlan) -> Method:
    if plan.method == "mutation":
        return Mutation(plan)
    if plan.method == "population":
        return Population(plan)
    return Halving.of(plan)
