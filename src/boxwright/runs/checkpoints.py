# SPDX-License-Identifier: Apache-2.0
"""The checkpoints of a run: what is in them, when they are written, what is put back from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from boxwright.engine.checkpoint import put_back, read_checkpoint, snapshot
from boxwright.engine.loop import Machinery
from boxwright.engine.replicas import gathered_ranks, send_state
from boxwright.engine.saving import SaveInterval, Saving, SavingError
from boxwright.engine.state import RunningLosses, TrainState
from boxwright.runs.best_by import KeptBests, kind_of
from boxwright.runs.evaluation.in_training import RunValidation
from boxwright.runs.plan import TrainPlan
from boxwright.structures.checkpoint import Checkpoint, RankRecord
from boxwright.system.distributed.world import World
from boxwright.system.run_folder import RunFolder
from boxwright.system.tensors import newest_whole
from boxwright.track.events import Event, StepLogged

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class RunCheckpoints:
    """What is saved of a run. Without a folder (see `to`) nothing is, and no save is ever due."""

    plan: TrainPlan
    machines: Machinery
    state: TrainState
    running: RunningLosses
    validation: RunValidation
    facts: Checkpoint  # what the run is made of
    bests: KeptBests
    logged: StepLogged | None  # the last one of the epoch that is being trained
    world: World = field(default_factory=World)
    sinks: Callable[[], dict[str, dict[str, Any]]] = dict  # what they want to find again
    saving: Saving | None = None
    _ranks: tuple[RankRecord, ...] = ()  # what only each process knows, when the last save began

    def to(self, folder: RunFolder, tell: Callable[[Event], None], allowed: Callable[[], None]) -> RunCheckpoints:
        """Write them into the folder of a run from now on; `allowed` raises when it is ours no more."""
        interval = SaveInterval(self.plan.settings.save_steps, self.plan.settings.save_minutes)
        self.saving = Saving(folder, self.snapshot, interval, tell, allowed)
        return self

    def snapshot(self) -> Checkpoint:
        """The run as it stands."""
        facts = replace(
            self.facts,
            thresholds=self.validation.thresholds,
            bests=dict(self.bests.values),
            sinks=self.sinks(),
        )
        if self.logged is not None and self.state.batch:
            # The row of an epoch shows its last batch, and there may be none left after a restart.
            facts = replace(facts, logged={**asdict(self.logged), "losses": list(self.logged.losses)})
        return snapshot(self.machines, self.state, self.running, replace(facts, ranks=self._ranks))

    def save(self, kind: str, epoch: int) -> None:
        """Write a checkpoint. last.pt comes after everything else of its epoch.

        Until it is there, the epoch is trained again. Of several processes one writes, and the others wait. Raises
        SavingError.
        """
        if self.world.is_several:
            self._ranks = gathered_ranks(self.machines, self.world)
        self.world.alone(lambda: self._write(kind, epoch), f"saving {kind}.pt")

    def _write(self, kind: str, epoch: int) -> None:
        if self.saving is None:
            return
        if kind == "last":
            for name in self.bests.improved(self.validation.numbers):
                self.saving(kind_of(name), epoch, for_use=True)
        self.saving(kind, epoch)

    def due(self) -> bool:
        """Whether a save within the epoch is due; asked once after every optimizer step."""
        return self.saving is not None and self.saving.due()

    def put_back(self) -> bool:
        """Restore the last good weights; whether there were any."""
        found = self.world.broadcast(bool(self.world.alone(self._put_back, "the last good weights")))
        if found:
            send_state(self.machines, self.world)
        return found

    def _put_back(self) -> bool:
        last = None if self.saving is None else self.saving.folder.last
        if last is None or not last.exists():
            return False
        put_back(self.machines, newest_whole(last, read_checkpoint)[0])
        return True

    def require_saved(self) -> None:
        """Raise SavingError when the newest state of the run could not be written."""
        if self.saving is not None:
            self.saving.require_saved()

    def require_best(self, first_epoch: int) -> None:
        """A best epoch from this one on has its weights, unless they were not to be saved. Raises SavingError."""
        state, settings = self.state, self.plan.settings
        is_final = state.best_epoch + 1 == settings.epochs
        due = (
            state.best_epoch >= first_epoch
            and (settings.best_in_final_epoch or not is_final)
            and (not settings.nosave or state.best_epoch + 1 == state.epoch)
        )
        best = None if self.saving is None else self.saving.folder.best
        if due and best is not None and not best.exists():
            raise SavingError(f"{best} of epoch {state.best_epoch + 1} is gone: something else removed it")
