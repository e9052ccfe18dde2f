# SPDX-License-Identifier: Apache-2.0
"""Where data that was fetched goes.

Below the folder of its YAML or into the folder that the command names, and over nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from boxwright.data.splits.bucket_data import KINDS
from boxwright.documents import Document
from boxwright.errors import DataError, SettingError
from boxwright.system.archives import unpack
from boxwright.system.files import make_folder, make_unfinished_folder, move_new, remove
from boxwright.system.places import data_folder

SPLIT_FOLDERS = frozenset(("images", "labels", "train"))  # a single folder of such a name is part of the data


@dataclass(frozen=True)
class Landing:
    """The folder for the data. `yaml` is what names it, the one file that may be in it already."""

    target: Path
    yaml: Path

    def in_the_way(self) -> str:
        """The name of something that is in the place already, '' when it is free."""
        if not os.path.lexists(self.target):
            return ""
        if not self.target.is_dir():
            return self.target.name
        try:
            found = (path.name for path in self.target.iterdir() if path != self.yaml)
            return min(found, default="")
        except OSError as error:
            raise SettingError(
                str(self.target), f"cannot be read ({error.strerror})", "Choose another folder with --to"
            ) from None

    def require_free(self) -> None:
        """Raises SettingError when something is there."""
        if found := self.in_the_way():
            what = (
                f"is there already and holds '{found}'" if self.target.is_dir() else "is there already and is no folder"
            )
            raise SettingError(str(self.target), what, "Nothing is fetched over existing data; move it away first")

    def unpack(self, archive: Path, max_bytes: int) -> tuple[tuple[str, ...], int]:
        """Unpack into a new folder beside the place, then give everything its place; notes, and how many files came.

        A refused archive leaves nothing behind. A single folder of the archive's own is opened up.
        """
        self.require_free()  # again: fetching takes long
        standing = next(folder for folder in (self.target, *self.target.parents) if folder.is_dir())
        beside = make_unfinished_folder(standing)
        try:
            done = unpack(archive, beside, max_bytes, KINDS)
            about = done.about_left_out()
            if not done.files:
                raise DataError(
                    str(archive),
                    f"holds no pictures, labels or lists{f': {about}' if about else ''}",
                    "Look at it by hand",
                )
            notes = [about] if about else []
            inner = list(beside.iterdir())
            whole = inner[0] if len(inner) == 1 and inner[0].is_dir() and inner[0].name not in SPLIT_FOLDERS else beside
            if standing != self.target:
                make_folder(self.target.parent)
                move_new(whole, self.target)
            else:
                notes += self._moved_in(whole)
        finally:
            remove(beside)
        return tuple(notes), done.files

    def _moved_in(self, whole: Path) -> list[str]:
        """Move what came into the folder that is there; of the names that are taken only that of the YAML is known."""
        found = sorted(whole.iterdir())
        kept = [path.name for path in found if os.path.lexists(self.target / path.name)]
        if any(self.target / name != self.yaml for name in kept):
            raise SettingError(
                str(self.target / kept[0]),
                "has come in between",
                "Nothing is fetched over existing data; move it away first",
            )
        for path in found:
            if path.name not in kept:
                move_new(path, self.target / path.name)
        return [f"{self.yaml} stays as it is; the archive's own file of this name is left out"] if kept else []


def landing_of(document: Document, home: Path, stated: str) -> Landing:
    """The folder that the command names, else the YAML's `path` if that is below the YAML's folder.

    Raises DataError.
    """
    yaml = home / Path(document.name).name
    if stated:
        return Landing(Path(stated).expanduser().resolve(), yaml)
    text = _path_of(document)
    base = home.resolve()
    try:
        target = (base / text).resolve()
    except (OSError, ValueError, RuntimeError):
        target = base.parent
    below = target.is_relative_to(base) and not any(part.startswith(".") for part in target.relative_to(base).parts)
    if not below or not text.isprintable():
        what = f"'path: {text[:200]}' is no visible folder below {base}, where data may be fetched to"
        raise DataError(
            document.place("path"),
            what,
            f"Name the folder yourself: `boxwright data fetch {document.name} --to FOLDER`",
        )
    return Landing(target, yaml)


def about_path(document: Document, home: Path, landing: Landing) -> tuple[str, ...]:
    """What to write into the YAML so that the data is found where it is now; nothing when it is found."""
    bases = [home, Path.cwd(), *([folder] if (folder := data_folder()) else [])]
    if any((base / _path_of(document)).resolve() == landing.target for base in bases):
        return ()
    return (f"{document.place('path')}: 'path' leads elsewhere; write 'path: {landing.target}'",)


def _path_of(document: Document) -> str:
    return document.texts.get(("path",), str(document.mapping().get("path") or "")) or "."
