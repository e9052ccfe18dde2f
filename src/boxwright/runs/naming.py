# SPDX-License-Identifier: Apache-2.0
"""How a run and its files are called.

The trainers of 2020 put the run's name behind those of a run that is done, and take it off again to go on.
"""

from __future__ import annotations

from pathlib import Path, PurePath

from boxwright.runs.plan import TrainPlan
from boxwright.system.files import rename
from boxwright.system.run_folder import checkpoint_of

NAMED = ("results.txt", "weights/last.pt", "weights/best.pt")


def name_of(plan: TrainPlan) -> str:
    """The name of the run: 'cfg' stands for that of its network."""
    return plan.detector.spec.name if plan.settings.name == "cfg" else plan.settings.name


def suffix_of(plan: TrainPlan) -> str:
    """What is put behind names: _NAME, a number without the stroke, nothing without a name or in later years."""
    name = PurePath(name_of(plan)).name if plan.settings.rename_with_name else ""
    return name if name.isdecimal() or not name else f"_{name}"


def put_behind(folder: Path, suffix: str) -> None:
    """Put it behind the names of the run's files."""
    for place in (folder / name for name in NAMED):
        if suffix and place.exists():
            rename(place, place.with_name(f"{place.stem}{suffix}{place.suffix}"))


def take_off(folder: Path) -> None:
    """Give the files of a run that goes on their plain names again, so that it goes on in them."""
    suffix = checkpoint_of(folder, "last").stem.removeprefix("last")
    for place in (folder / name for name in NAMED):
        named = place.with_name(f"{place.stem}{suffix}{place.suffix}")
        if suffix and named.exists():
            rename(named, place)
