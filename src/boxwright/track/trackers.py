# SPDX-License-Identifier: Apache-2.0
"""The trackers that can be asked for: their names, what has to be installed for each, and how a run is told to them."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.documents import read_yaml
from boxwright.errors import SettingError, UserError, nearest
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import Ended, RunEnded
from boxwright.track.sinks.clearml import ClearML
from boxwright.track.sinks.comet import Comet
from boxwright.track.sinks.mlflow import MLflow
from boxwright.track.sinks.service import Service, TrackedRun
from boxwright.track.sinks.trackio import Trackio
from boxwright.track.sinks.wandb import WeightsAndBiases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

USUAL_PROJECT = "boxwright"  # of runs in the usual folder of runs
USUAL_FOLDERS = ("train", "runs")


class Tracker(NamedTuple):
    """A service: the package that has to be there (its extra is called as the tracker), and what speaks to it."""

    package: str
    make: Callable[[], Service]


TRACKERS: dict[str, Tracker] = {
    "wandb": Tracker("wandb", WeightsAndBiases),
    "mlflow": Tracker("mlflow", MLflow),
    "clearml": Tracker("clearml", ClearML),
    "comet": Tracker("comet_ml", Comet),
    "trackio": Tracker("trackio", Trackio),
}


def trackers_of(text: str, where: str) -> list[str]:
    """The trackers that are named, each once. Raises SettingError for a name that is none, or one not installed."""
    names = list(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))
    for name in names:
        if name not in TRACKERS:
            near = nearest(name, TRACKERS)
            hint = f"Did you mean '{near}'? " if near else ""
            raise SettingError(where, f"there is no tracker '{name}'", f"{hint}There is: {', '.join(TRACKERS)}")
        if not is_installed(TRACKERS[name].package):
            what = f"the package of the tracker '{name}' is not installed"
            raise SettingError(where, what, f"Install it: pip install 'boxwright[{name}]'")
    return names


def is_installed(package: str) -> bool:
    """Whether a package is there; it is not loaded."""
    return importlib.util.find_spec(package) is not None


def tracked_run(folder: RunFolder, name: str, key: str, run_id: str) -> TrackedRun:
    """A run as services are told of it, from what it says about itself in its folder."""
    settings = settings_of(folder)
    place = folder.path.absolute()
    project = place.parent.name
    return TrackedRun(
        folder=place,
        own=folder.tracker(name).absolute(),
        name=place.name,
        project=USUAL_PROJECT if project in USUAL_FOLDERS or not project else project,
        key=key,
        id=run_id,
        entity=_text(settings.get("entity")),
        aliases=tuple(filter(None, (_text(settings.get("artifact_alias")),))),
        settings=settings,
    )


def settings_of(folder: RunFolder) -> dict[str, Any]:
    """The settings of a run; none where its file of them is gone or broken."""
    return _settings_in(folder / RunFile.SETTINGS)


def _settings_in(path: Path) -> dict[str, Any]:
    try:
        found = read_yaml(path).value
    except UserError:
        return {}
    settings = found.get("settings") if isinstance(found, dict) else None
    return dict(settings) if isinstance(settings, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def end_of(event: RunEnded) -> str:
    """How a run ended, in the words that services are told."""
    match event.ended:
        case Ended.DONE | Ended.OUT_OF_PATIENCE | Ended.ALREADY_DONE:
            return "finished"
        case Ended.FAILED:
            return "failed"
        case _:
            return "stopped"
