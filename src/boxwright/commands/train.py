# SPDX-License-Identifier: Apache-2.0
"""`boxwright train`: settings in, one training, its folder out. The last line printed is the run folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.config.load import Resolved
from boxwright.config.schema.evolve import SearchSettings
from boxwright.config.schema.train import TrainSettings
from boxwright.evolution.command import evolve
from boxwright.runs.training import dry_run, train
from boxwright.structures.answer import Answer
from boxwright.track.events import Ended
from boxwright.track.sinks.event_stream import print_end

if TYPE_CHECKING:
    from collections.abc import Callable


def run(resolved: Resolved[TrainSettings], tell: Callable[[str], None]) -> Answer:
    """Train, or go on training; with --dry-run, the plan alone; with --evolve, a search for hyperparameters."""
    if resolved.settings.evolve:
        return evolve(resolved, SearchSettings(), tell)
    if resolved.settings.dry_run:
        return dry_run(resolved)
    result = train(resolved)
    told = [result.reason] if result.ended is Ended.ALREADY_DONE else []
    document = {"folder": str(result.folder), "epochs": result.epochs_done, "results": result.results}
    lines = [] if result.is_told else [*told, str(result.folder)]
    if resolved.settings.ndjson_console:  # which has told all of it, unless nothing was trained
        if lines and told:
            print_end(result.ended, result.reason, str(result.folder), result.epochs_done)
        lines = []
    return Answer(lines, document, exit_code=result.exit_code)
