# SPDX-License-Identifier: Apache-2.0
"""Files that come with the package, by name. A name works wherever a path does; a file of the user's wins."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from boxwright.errors import SettingError, nearest

Family = Literal["models", "hyps", "recipes", "configs", "data"]

ROOT = Path(__file__).parent / "presets"


def names(family: Family) -> list[str]:
    """Names of the packaged files of one family."""
    return sorted(path.stem for path in (ROOT / family).glob("*.yaml"))


def locate(family: Family, name: str, flag: str) -> Path:
    """The file that a path or a packaged name stands for. `flag` is what the error calls it."""
    path = Path(name)
    if path.is_file():
        return path
    stem = _stem(name)
    packaged = ROOT / family / f"{stem}.yaml"
    if packaged.is_file():
        return packaged
    known = names(family)
    near = nearest(stem, known)
    hint = f"Did you mean '{near}'? " if near else ""
    what = (
        "there is no such file and no packaged one of that name"
        if not path.is_dir()
        else "is a folder, not a YAML file"
    )
    raise SettingError(f"{flag} {name}", what, f"{hint}Packaged: {', '.join(known)}")


def _stem(name: str) -> str:
    """`data/hyps/hyp.scratch-low.yaml`, `hyp.scratch-low` and `scratch-low` are one name."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".yaml").removesuffix(".yml")
    return last.removeprefix("hyp.")
