# SPDX-License-Identifier: Apache-2.0
"""How long a study is and how it is judged, as the newest command asked: that may change, its plan does not."""

from __future__ import annotations

import json

from pydantic import ValidationError

from boxwright.errors import UserError
from boxwright.search.budget import Budget, read_budget
from boxwright.search.sealed import DamagedError, seal, unseal
from boxwright.search.store import Store
from boxwright.search.study import Rules, StudyPlan, VerdictRules
from boxwright.search.study_files import StudyFile


class Extent(Rules):
    """`budget` as it was written ('' = none), shared by so many `workers` where it is hours."""

    trials: int
    verdict: VerdictRules
    budget: str = ""
    workers: int = 1

    @classmethod
    def of(cls, plan: StudyPlan) -> Extent:
        """That of a plan."""
        budget, workers = plan.facts.get("budget"), plan.facts.get("workers")
        return cls(
            trials=plan.trials,
            verdict=plan.verdict,
            budget=budget if isinstance(budget, str) else "",
            workers=workers if isinstance(workers, int) else 1,
        )

    def applied(self, plan: StudyPlan) -> StudyPlan:
        """The plan with this extent."""
        epochs = round(self.limit.amount) if self.limit is not None and self.limit.unit == "epochs" else 0
        changed = {
            "trials": self.trials,
            "verdict": self.verdict,
            "search": plan.search.model_copy(update={"budget": epochs}),
            "facts": {**plan.facts, "budget": self.budget, "workers": self.workers},
        }
        return plan.model_copy(update=changed)

    @property
    def limit(self) -> Budget | None:
        """How much may be trained; None where the number of trials says it. Raises SettingError for no length."""
        return read_budget(self.budget, self.workers) if self.budget else None


def write_extent(store: Store, extent: Extent) -> None:
    """From now on this one counts, for everybody who looks. Raises UserError."""
    store.put(StudyFile.EXTENT, seal(json.dumps(extent.model_dump(mode="json")).encode()))


def extended(store: Store, plan: StudyPlan) -> StudyPlan:
    """The plan with the extent that was asked for last. Raises UserError for a damaged file."""
    content = store.read(StudyFile.EXTENT)
    if content is None:
        return plan
    try:
        return Extent.model_validate_json(unseal(content), strict=True).applied(plan)
    except (DamagedError, ValidationError):
        where = f"{store}/{StudyFile.EXTENT}"
        raise UserError(where, "is not as it was written", "Remove it: the plan counts then") from None
