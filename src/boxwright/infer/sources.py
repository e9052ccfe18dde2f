# SPDX-License-Identifier: Apache-2.0
"""Where images to predict on come from: files, folders, list files."""

from __future__ import annotations

from pathlib import Path

from boxwright.data.images import OTHER_PICTURES, SUFFIXES
from boxwright.errors import SettingError


def image_paths(sources: tuple[str, ...]) -> list[str]:
    """Every image of the sources, in order. Raises SettingError for a source that does not exist or holds none."""
    found: list[str] = []
    for source in sources:
        path = Path(source)
        if path.is_dir():
            inside = sorted(str(p) for p in path.rglob("*") if p.suffix.lower() in SUFFIXES | OTHER_PICTURES and not p.is_dir())
            if not inside:
                raise SettingError(f"--source {source}", "the folder holds no images", f"Images end in {' '.join(sorted(SUFFIXES))}")
            found += inside
        elif path.suffix.lower() == ".txt" and path.is_file():
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
            found += [str(path.parent / line) for line in lines if line]
        elif path.is_file() or path.is_symlink():
            found.append(source)
        else:
            raise SettingError(f"--source {source}", "there is no such file or folder", "Give images, folders or list files")
    if not found:
        raise SettingError("--source", "nothing to predict on was given", "Give images, folders or list files")
    return found
