# SPDX-License-Identifier: Apache-2.0
"""How much a study may train before it ends: a number of epochs, or of hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from boxwright.errors import SettingError
from boxwright.search.job import Job, Method, Result, Stage
from boxwright.search.standing import epochs_trained

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS_PER_HOUR = 3600


@dataclass(frozen=True)
class Budget:
    """An amount of epochs or of hours of training, over all workers."""

    amount: float
    unit: Literal["epochs", "hours"]

    def spent(self, done: Mapping[str, Result]) -> float:
        """How much of it the trials have used; those of a verdict do not count."""
        trials = [result for result in done.values() if result.job.stage is Stage.TRIAL]
        if self.unit == "hours":
            return sum(result.seconds for result in trials) / SECONDS_PER_HOUR
        return float(epochs_trained(one.job for one in trials))

    def is_spent(self, done: Mapping[str, Result]) -> bool:
        """Whether nothing of it is left."""
        return self.spent(done) >= self.amount


def read_budget(text: str, workers: int) -> Budget:
    """From `40` (epochs), `12h` (hours of so many workers) or `40gpuh` (hours in all). Raises SettingError."""
    word = text.strip().replace(" ", "")
    unit: Literal["epochs", "hours"] = "hours" if word.endswith("h") else "epochs"
    number = word.removesuffix("h").removesuffix("gpu")
    try:
        amount = float(number)
    except ValueError:
        amount = 0.0
    if amount <= 0:
        remedy = "Give epochs (40), hours (12h) or hours of all workers together (40gpuh)"
        raise SettingError("--budget", f"{text!r} is no length", remedy)
    shared = unit == "hours" and not word.endswith("gpuh")
    return Budget(amount * workers if shared else amount, unit)


@dataclass(frozen=True)
class Budgeted:
    """A method that ends when its budget is spent. What was begun is finished."""

    method: Method
    budget: Budget

    def next_job(self, done: Mapping[str, Result], taken: Mapping[str, Job]) -> Job | None:
        """The next job while something is left."""
        return None if self.budget.is_spent(done) else self.method.next_job(done, taken)

    def is_over(self, done: Mapping[str, Result]) -> bool:
        """Whether it is spent, or the method has come to its end."""
        return self.budget.is_spent(done) or self.method.is_over(done)
