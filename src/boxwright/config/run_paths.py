# SPDX-License-Identifier: Apache-2.0
"""Paths in the settings of a run: whole, so that it works from any folder, and found again when it was moved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.config.load import Held_co, Resolved
from boxwright.documents import Document
from boxwright.paths import absolute, is_there, moved_along, why_unusable

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = ("data", "weights", "cfg", "hyp", "config", "recipe")  # settings that may be a path, or a packaged name


def with_whole_paths(resolved: Resolved[Held_co]) -> Resolved[Held_co]:
    """The settings with every path that leads somewhere from the root on; packaged names stay names."""
    named = {key: getattr(resolved.settings, key, None) for key in KEYS}
    whole = {key: absolute(name) for key, name in named.items() if isinstance(name, str) and _leads(name)}
    return replace(resolved, settings=resolved.settings.model_copy(update=whole))


@dataclass(frozen=True)
class RunPlace:
    """Where a run lay when it wrote its files (`was`), where it lies `now`, and where its command was given.

    All are whole paths; an unknown one is ''.
    """

    was: str
    now: str
    started_in: str

    @classmethod
    def of(cls, folder: Path, was: str, started_in: str, project: str = "") -> RunPlace:
        """From what its files say. Those of earlier versions say it with `project`, which may be relative."""
        now = absolute(str(folder))
        if was:
            return cls(was, now, started_in)
        parts, above = Path(project).parts, Path(now).parent.parts
        known = bool(parts) and not Path(project).is_absolute() and above[-len(parts) :] == parts
        return cls(now, now, str(Path(*above[: -len(parts)])) if known else "")

    def candidates(self, stored: str) -> list[str]:
        """Where a path of the run may lead: as it stands, from where the run was started, and moved with the run."""
        if not stored or why_unusable(stored):
            return []
        first = stored if Path(stored).is_absolute() or not self.started_in else str(Path(self.started_in, stored))
        moved = [moved_along(first, self.was, self.now)] if self.was != self.now and Path(first).is_absolute() else []
        return list(dict.fromkeys((first, *moved)))

    def again(self, stored: str) -> str:
        """The first of them that is there; as it stands where none is, since it may be a packaged name."""
        return next((path for path in self.candidates(stored) if is_there(Path(path))), stored)

    def values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with their paths found again."""
        found = {key: self.again(values[key]) for key in KEYS if isinstance(values.get(key), str)}
        return {**values, **found}

    @property
    def starts(self) -> tuple[Path, ...]:
        """The folder where its command was given, as it was and moved with the run: data sets may begin there."""
        return tuple(Path(path) for path in self.candidates(self.started_in)) if self.started_in else ()


def place_of_document(document: Document) -> RunPlace:
    """What the settings or option file of a run says of its place; nothing is known of any other file."""
    raw = document.value if isinstance(document.value, dict) else {}
    stated = raw.get("place")
    place = stated if isinstance(stated, dict) and "settings" in raw else {}
    folder = Path(document.name).parent
    words = [place.get("folder", raw.get("save_dir")), place.get("started_in")]  # opt.yaml says it as in the family
    was, started_in = (word if isinstance(word, str) and not why_unusable(word) else "" for word in words)
    settings = raw.get("settings") if "sources" in raw else None
    project = settings.get("project") if isinstance(settings, dict) else ""
    return RunPlace.of(folder, was, started_in, project if isinstance(project, str) else "")


def _leads(name: str) -> bool:
    return bool(name) and not why_unusable(name) and is_there(Path(name))
