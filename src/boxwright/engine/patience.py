# SPDX-License-Identifier: Apache-2.0
"""Early stopping as a value: fed with fitness, it says whether to stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long a run has gone without improvement. `epochs` = 0 never stops.

    An improvement is a higher fitness, or an equal one while the best is still 0 (an untrained network finds nothing).
    """

    epochs: int
    best_fitness: float = 0.0
    best_epoch: int = 0
    last_epoch: int = -1

    def after(self, epoch: int, fitness: float) -> Patience:
        """The state after an epoch was validated."""
        better = fitness > self.best_fitness or (fitness == self.best_fitness == 0)
        best = (fitness, epoch) if better else (self.best_fitness, self.best_epoch)
        return Patience(self.epochs, *best, epoch)

    @property
    def waited(self) -> int:
        """Validated epochs since the best one."""
        return self.last_epoch - self.best_epoch

    @property
    def stop(self) -> bool:
        """Whether patience is at its end."""
        return self.epochs > 0 and self.waited >= self.epochs

    @property
    def possible_stop(self) -> bool:
        """Whether the next epoch may be the last one, so that it has to be validated and saved like it."""
        return self.epochs > 0 and self.waited >= self.epochs - 1
