# SPDX-License-Identifier: Apache-2.0
"""Saving: when a checkpoint is due, what may be written, and what happens when it cannot be."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from boxwright.engine.checkpoint import rotate_checkpoint, write_checkpoint
from boxwright.errors import EXIT_TRY_AGAIN, BoxwrightError
from boxwright.structures.checkpoint import Checkpoint
from boxwright.system.files import WriteError
from boxwright.system.run_folder import RunFolder
from boxwright.track.events import CheckpointSaved, Event, Warned

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_FAILURES = 3  # saves in a row that may fail before a run stops rather than train on what it would lose


class SavingError(BoxwrightError):
    """Checkpoints cannot be written."""

    exit_code = EXIT_TRY_AGAIN


@dataclass(frozen=True)
class SaveInterval:
    """How often to save within an epoch: after so many optimizer steps, after so many minutes; 0 = never."""

    steps: int = 0
    minutes: float = 0.0


class Saving:
    """Writes the checkpoints of one run.

    `snapshot` is a checkpoint of the run as it stands; `allowed` raises when nothing may be written any more.

    last.pt stands for everything that was written before it: while another file of weights waits for room on the disk,
    it waits too, so that a run which goes on from it has those files, or trains their epoch again.
    """

    def __init__(
        self,
        folder: RunFolder,
        snapshot: Callable[[], Checkpoint],
        interval: SaveInterval,
        tell: Callable[[Event], None],
        allowed: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.snapshot, self.interval, self.tell, self.allowed = folder, snapshot, interval, tell, allowed
        self._steps, self._saved_at = 0, time.monotonic()
        self._failures, self._reason = 0, ""
        self._waiting: dict[
            str, tuple[int, Checkpoint]
        ] = {}  # by kind: epoch and checkpoint of what could not be written yet

    def due(self) -> bool:
        """Whether a save within the epoch is due; asked once after every optimizer step."""
        self._steps += 1
        by_steps = self.interval.steps > 0 and self._steps >= self.interval.steps
        return by_steps or (
            self.interval.minutes > 0 and time.monotonic() - self._saved_at >= self.interval.minutes * 60
        )

    def __call__(self, kind: str, epoch: int, *, for_use: bool = False) -> None:
        """Write `kind`.pt.

        Last.pt as a new generation, others in one place, `for_use` without the state of the training.

        Raises SavingError when it failed too often.
        """
        self.allowed()
        checkpoint = self.snapshot()
        if reason := not_finite(checkpoint):
            self._failed(kind, reason)
            return
        if kind != "last":
            self._waiting[kind] = epoch, checkpoint.stripped() if for_use else checkpoint
            if reason := self._write_waiting():
                self._failed(kind, reason)
            return
        if reason := self._write_waiting() or self._written(kind, epoch, checkpoint):
            self._failed(kind, reason)
            return
        self._failures, self._reason, self._steps, self._saved_at = 0, "", 0, time.monotonic()

    def require_saved(self) -> None:
        """Raise when the newest state of the run could not be written."""
        if self._reason:
            raise SavingError(f"the end of the run could not be saved ({self._reason})")

    def _write_waiting(self) -> str:
        """Write what waits for room; why something still waits."""
        for kind, (epoch, checkpoint) in list(self._waiting.items()):
            if reason := self._written(kind, epoch, checkpoint):
                return reason
            del self._waiting[kind]
        return ""

    def _written(self, kind: str, epoch: int, checkpoint: Checkpoint) -> str:
        """Write one file; why that failed."""
        path = self.folder.checkpoint(kind)
        try:
            (rotate_checkpoint if kind == "last" else write_checkpoint)(path, checkpoint)
        except WriteError as error:
            return str(error)
        self.tell(CheckpointSaved(str(path), kind, epoch))
        self.folder.wrote(path)
        return ""

    def _failed(self, kind: str, reason: str) -> None:
        kept = "the one before is kept" if self.folder.checkpoint(kind).exists() else "and there is none yet"
        self.tell(Warned(f"{kind}.pt was not saved, {kept}. {reason}"))
        if kind == "last":
            self._failures += 1
            self._reason = reason
            if self._failures >= MAX_FAILURES:
                raise SavingError(f"{self._failures} saves in a row failed ({reason})")


def not_finite(checkpoint: Checkpoint) -> str:
    """Which tensor of the network or its average holds something that is no number, in words; '' when none does."""
    for part, tensors in (("model", checkpoint.model), ("ema", checkpoint.ema or {})):
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                return f"{name} of the {part} holds values that are not finite"
    return ""
