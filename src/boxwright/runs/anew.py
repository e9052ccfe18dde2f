# SPDX-License-Identifier: Apache-2.0
"""A run that was ended before it was saved once has a plan and nothing else: it begins anew from that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import COMMAND_LINE, Origin, Source
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import read_yaml
from boxwright.track.sinks.event_log import read_log

if TYPE_CHECKING:
    from pathlib import Path

PLAN = "config.yaml"


def is_unsaved(folder: Path) -> bool:
    """Whether a run, of which no whole checkpoint is there, has a plan and no epoch behind it.

    What was lost after an epoch is reported, not trained over.
    """
    return (folder / PLAN).is_file() and not read_log(folder / "events.jsonl").epochs


def plan_of_run(folder: Path, asked: Resolved[TrainSettings], given: set[str]) -> Resolved[TrainSettings]:
    """The settings of a run from its config.yaml, and over them what was `given` now.

    Raises SettingError for a plan that cannot be read.
    """
    stored, notes = file_layer(TrainSettings, read_yaml(folder / PLAN), Source(Origin.FILE, "plan of the run"))
    values = {key: value for key, value in stored.values.items() if key != "resume"}
    now = {key: getattr(asked.settings, key) for key in sorted(given - {"resume", "project", "name", "exist_ok"})}
    own = Layer(COMMAND_LINE, now, {key: asked.sources[key] for key in now})
    line = f"{folder} was ended before it was saved once: it begins anew from its {PLAN}"
    resolved = resolve(TrainSettings, [Layer(stored.whole, values, stored.sources), own])
    return replace(resolved, notes=(line, *notes))
