# SPDX-License-Identifier: Apache-2.0
"""Room on the disk for the checkpoints of a run, looked at before its first epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.runs.plan import TrainPlan
from boxwright.system.files import WriteError, free_disk_bytes

if TYPE_CHECKING:
    from pathlib import Path

FLOAT_BYTES = 4
MB = 1e6
FIRST, ALWAYS = (
    2,
    4,
)  # files of a new run: best.pt and last.pt; then the one before, and a newer one while it is written


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
            f"a checkpoint takes {size / MB:.1f} MB, {needed} of them have to be written, and {free / MB:.1f} "
            "MB "
            "of the disk are free"
        )
        raise WriteError(str(folder), about, "Free some space, or choose another place with --project")
    if free < wanted * size:
        return (
            f"{free / MB:.1f} MB of the disk are free, and {wanted} checkpoints of {size / MB:.1f} MB each will "
            "be "
            "needed at one time"
        )
    return ""
