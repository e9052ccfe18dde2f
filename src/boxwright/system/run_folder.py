# SPDX-License-Identifier: Apache-2.0
"""The folder of a run: its number, made at the last moment, so that a refused run leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from boxwright.errors import SettingError
from boxwright.system.files import make_folder, remove, rename, write_error
from boxwright.system.tensors import previous_of

EARLIER = "weights_earlier"  # of a run whose folder another one was trained in


def next_folder(project: str, name: str, *, exist_ok: bool, numbering: str) -> Path:
    """The folder a run would get: exp, exp2, exp3, ... or, as in 2020, exp0, exp1, ... with the name behind it."""
    base = Path(project)
    if numbering == "exp0-exp1":
        suffix = f"_{name}" if name else ""
        taken = (
            [int(n) for path in base.glob("exp*") if (n := path.name.removeprefix("exp").split("_")[0]).isdecimal()]
            if _is_folder(base)
            else []
        )
        return base / f"exp{max(taken, default=-1) + 1}{suffix}"
    plain = base / (name or "exp")
    if exist_ok or not _is_taken(plain):
        return plain
    number = 2
    while _is_taken(candidate := plain.with_name(f"{plain.name}{number}")):
        number += 1
    return candidate


def _is_taken(folder: Path) -> bool:
    """Whether something is there.

    A place that may not even be looked at is not taken: making it will say why it cannot be had.
    """
    return os.path.lexists(folder)


def _is_folder(path: Path) -> bool:
    """As Path.is_dir, without an exception for places that may not be looked at or cannot exist."""
    return os.path.isdir(path)  # noqa: PTH112 -- as above


def make_run_folder(folder: Path, *, exist_ok: bool) -> None:
    """Make it with its weights folder. Raises for a place that cannot be written, or one that somebody else took."""
    taken = _is_taken(folder)
    if taken and not folder.is_dir():
        raise SettingError(str(folder), "is a file, and a run needs a folder", "Choose another --project or --name")
    try:
        if not exist_ok:
            make_folder(folder.parent)
            folder.mkdir()  # of two who try at once, one succeeds
    except FileExistsError:
        raise SettingError(str(folder), "was taken by another run in the meantime", "Start again") from None
    except OSError as error:
        raise write_error(folder, error) from None
    make_folder(folder / "weights")


def set_weights_aside(folder: Path) -> Path | None:
    """Where the weights of an earlier run in this folder are from now on, if there were any.

    A new one must not be taken for it. Raises WriteError.
    """
    weights, earlier = folder / "weights", folder / EARLIER
    if not any(weights.glob("*.pt")):
        return None
    remove(earlier)
    rename(weights, earlier)
    make_folder(weights)
    return earlier


def newest_checkpoint(project: str) -> Path | None:
    """The newest state of the run that was written to last, below a folder of runs."""
    places = (
        {path.parent.parent for path in Path(project).rglob("last*.pt") if path.parent.name == "weights"}
        if _is_folder(Path(project))
        else set()
    )
    found = [path for path in (checkpoint_of(place, "last") for place in sorted(places)) if _written_at(path)]
    return max(found, key=_written_at, default=None)


def _written_at(path: Path) -> int:
    """When a state was written, or the one before it where that is all there is; 0 for none."""
    there = [place.stat().st_mtime_ns for place in (path, previous_of(path)) if place.is_file()]
    return there[0] if there else 0


def checkpoint_of(folder: Path, kind: Literal["last", "best"]) -> Path:
    """Where a run keeps its newest state or its best weights.

    The trainers of 2020 put the name of a run that is done behind both.
    """
    weights = folder / "weights"
    named = [
        path.stem.removeprefix("last") for path in sorted(weights.glob("last*.pt")) if path.stem != "last.previous"
    ]
    suffix = "" if not named or (weights / "last.pt").exists() else named[0]
    return weights / f"{kind}{suffix}.pt"
