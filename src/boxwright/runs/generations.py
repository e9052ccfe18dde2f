# SPDX-License-Identifier: Apache-2.0
"""What a run may go on from: its checkpoints that still hold the state of the training, the newest one first.

A run that was ended before it was saved once has a plan and nothing else: it begins anew from that.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from boxwright.config.load import Layer, Resolved, file_layer, resolve
from boxwright.config.origin import COMMAND_LINE, Origin, Source
from boxwright.config.run_paths import place_of_document
from boxwright.config.schema.train import TrainSettings
from boxwright.documents import read_yaml
from boxwright.engine.checkpoint import read_checkpoint
from boxwright.errors import WeightsError
from boxwright.structures.checkpoint import Checkpoint, Position
from boxwright.system.files import previous_of
from boxwright.system.run_folder import RunFile, RunFolder, checkpoint_of
from boxwright.track.sinks.event_log import read_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Generation(NamedTuple):
    """A whole checkpoint of a run."""

    path: Path
    checkpoint: Checkpoint
    position: Position


def generations(folder: Path) -> Iterator[Generation]:
    """Every whole one, each read when it is asked for.

    Last.pt, the one before, and where both are gone, files kept for use that still hold all of it.
    """
    last = checkpoint_of(folder, "last")
    for path in (last, previous_of(last)):
        if (found := _generation(path)) is not None:
            yield found
    others = [
        found
        for path in sorted(last.parent.glob("*.pt"))
        if path not in {last, previous_of(last)} and (found := _generation(path)) is not None
    ]
    yield from sorted(others, key=lambda found: (found.position.epoch, found.position.batch), reverse=True)


def _generation(path: Path) -> Generation | None:
    if not path.is_file():
        return None
    try:
        checkpoint = read_checkpoint(path)
    except WeightsError:
        return None
    return None if checkpoint.position is None else Generation(path, checkpoint, checkpoint.position)


def is_unsaved(folder: Path) -> bool:
    """Whether a run, of which no whole checkpoint is there, has a plan and no epoch behind it.

    What was lost after an epoch is reported, not trained over.
    """
    run = RunFolder(folder)
    return (run / RunFile.SETTINGS).is_file() and not read_log(run / RunFile.EVENTS).epochs


def settings_of_run(folder: Path, asked: Resolved[TrainSettings], given: set[str]) -> Resolved[TrainSettings]:
    """The settings of a run that has a plan and nothing else, and over them what was `given` now: it begins anew.

    Raises SettingError for a plan that cannot be read.
    """
    place = RunFolder(folder) / RunFile.SETTINGS
    document = read_yaml(place)
    stored, notes = file_layer(TrainSettings, document, Source(Origin.FILE, "plan of the run"))
    values = place_of_document(document).values({key: value for key, value in stored.values.items() if key != "resume"})
    now = {key: getattr(asked.settings, key) for key in sorted(given - {"resume", "project", "name", "exist_ok"})}
    own = Layer(COMMAND_LINE, now, {key: asked.sources[key] for key in now})
    line = f"{folder} was ended before it was saved once: it begins anew from its {place.name}"
    resolved = resolve(TrainSettings, [Layer(stored.whole, values, stored.sources), own])
    return replace(resolved, notes=(line, *notes))


def way_on(folder: Path) -> str:
    """Where a run stands that was ended before it was done, and how it goes on: a line that can be typed as it is."""
    command = shlex.join(["boxwright", "train", "--resume", str(folder)])
    whole = next(generations(folder), None)
    if whole is not None:
        return (
            f"saved in epoch {whole.position.epoch + 1} before batch {whole.position.batch + 1}, go on with: {command}"
        )
    if (RunFolder(folder) / RunFile.SETTINGS).is_file():
        return f"nothing was saved yet, begin anew with: {command}"
    return f"nothing was saved yet, start again ({folder} holds nothing to go on from)"
