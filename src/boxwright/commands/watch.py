# SPDX-License-Identifier: Apache-2.0
"""`boxwright watch RUN`: follow a training from another shell."""

from __future__ import annotations

import sys
from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import WatchSettings
from boxwright.runs.run_watch import look, watch
from boxwright.structures.answer import Answer, table
from boxwright.system.signals import exit_code
from boxwright.system.terminal import Speaker


def run(resolved: Resolved[WatchSettings], speaker: Speaker | None = None) -> Answer:
    """Show the run until it ends or somebody leaves; with --once, how it stands."""
    settings = resolved.settings
    folder = Path(settings.run)
    if settings.once:
        found = look(folder)
        return Answer(table(found.facts), found.document, exit_code=found.exit_code)
    try:
        found = watch(folder, sys.stdout if speaker is None else speaker.out, until_done=settings.until_done)
    except KeyboardInterrupt as stop:  # whoever only looked leaves without a word
        return Answer([], None, exit_code=exit_code(stop))
    return Answer([found.sentence], found.document, exit_code=found.exit_code)
