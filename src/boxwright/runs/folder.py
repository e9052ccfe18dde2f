# SPDX-License-Identifier: Apache-2.0
"""The folder of a run, made ready: room on the disk, made and claimed, cleared of an earlier run, records written."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from boxwright.runs.plan import TrainPlan
from boxwright.runs.records import write_records
from boxwright.system.claim import Claim, claimed
from boxwright.system.files import WriteError, copy_folder, free_disk_bytes, remove
from boxwright.system.run_folder import RunFile, RunFolder, make_run_folder, next_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLOAT_BYTES = 4
MB = 1e6
# Files of a new run: best.pt and last.pt; then the one before, and a newer one while it is written.
FIRST, ALWAYS = 2, 4


def folder_of(plan: TrainPlan) -> RunFolder:
    """The folder that a new run would get."""
    settings = plan.settings
    path = next_folder(settings.project, plan.run_name, exist_ok=settings.exist_ok, numbering=settings.run_folders)
    return RunFolder(path)


@contextlib.contextmanager
def prepared(folder: RunFolder, plan: TrainPlan, claim: Claim | None) -> Iterator[tuple[Claim, list[str]]]:
    """The folder ready to train in, claimed while this lasts, and what to say about it.

    `claim` is that of a run that goes on. Raises WriteError, SettingError and ClaimedError.
    """
    if claim is None:
        require_room(folder.path, plan)  # before anything is made
        make_run_folder(folder.path, exist_ok=plan.settings.exist_ok)
    with claimed(folder.path) if claim is None else contextlib.nullcontext(claim) as own:
        lines = [require_room(folder.path, plan)]
        if plan.resumed is None:
            lines += _begun_anew(folder)
        if claim is None:
            remove(folder / RunFile.TRACKERS)  # of another run
        make_run_folder(folder.path, exist_ok=True)
        if plan.resumed is not None and plan.settings.resume_backs_up_weights:
            copy_folder(folder.weights, folder.backup_of_weights(plan.first_epoch - 1))
        write_records(folder, plan)  # first: what is ended from here on begins anew from it, or goes on
        yield own, lines


def _begun_anew(folder: RunFolder) -> list[str]:
    """Make room for a new run in a folder that had another one; what to say about it."""
    remove(folder / RunFile.DONE)
    earlier = folder.set_weights_aside()
    return [f"the weights of the run that was in {folder} are in {earlier} now"] if earlier else []


def checkpoint_bytes(plan: TrainPlan) -> int:
    """What a checkpoint takes at least: weights, average, and the optimizer's memory of what learns."""
    whole: int = sum(tensor.numel() for tensor in plan.detector.state_dict().values())
    learning: int = sum(parameter.numel() for parameter in plan.detector.parameters() if parameter.requires_grad)
    moments = 2 if plan.settings.optimizer.startswith("Adam") else 1
    return FLOAT_BYTES * (2 * whole + moments * learning)


def require_room(folder: Path, plan: TrainPlan) -> str:
    """What to say about a disk that may become too small, '' for one with room.

    Raises WriteError where the first save could not succeed.
    """
    size, free = checkpoint_bytes(plan), free_disk_bytes(folder)
    needed, wanted = (FIRST, ALWAYS) if plan.resumed is None else (1, 1)
    if free < needed * size:
        about = (
            f"a checkpoint takes {size / MB:.1f} MB, {needed} of them have to be written, and {free / MB:.1f} MB of "
            "the disk are free"
        )
        raise WriteError(str(folder), about, "Free some space, or choose another place with --project")
    if free < wanted * size:
        return (
            f"{free / MB:.1f} MB of the disk are free, and {wanted} checkpoints of {size / MB:.1f} MB each will be "
            "needed at one time"
        )
    return ""
