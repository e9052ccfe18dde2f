# SPDX-License-Identifier: Apache-2.0
"""What to do about a run that was ended before it was done: one line that can be typed as it stands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from boxwright.runs.anew import PLAN
from boxwright.runs.generations import generations

if TYPE_CHECKING:
    from pathlib import Path


def way_on(folder: Path) -> str:
    """Where the run stands, and how it goes on."""
    command = shlex.join(["boxwright", "train", "--resume", str(folder)])
    whole = next(generations(folder), None)
    if whole is not None:
        return f"saved in epoch {whole.position.epoch} before batch {whole.position.batch}, go on with: {command}"
    if (folder / PLAN).is_file():
        return f"nothing was saved yet, begin anew with: {command}"
    return f"nothing was saved yet, start again ({folder} holds nothing to go on from)"
