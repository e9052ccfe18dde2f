# SPDX-License-Identifier: Apache-2.0
"""`boxwright replay RUN`: make the tables of a run, its TensorBoard file and its page anew from events.jsonl."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ReplaySettings
from boxwright.runs.rebuild import rebuild
from boxwright.structures.answer import Answer
from boxwright.system.run_folder import RunFile


def run(resolved: Resolved[ReplaySettings]) -> Answer:
    """Rebuild what the event log tells."""
    folder = Path(resolved.settings.run)
    made, epochs, unreadable = rebuild(folder)
    notes = (f"{folder / RunFile.EVENTS}: {unreadable} lines could not be read and were passed over",)
    text = f"{', '.join(made[:-1])} and {made[-1]} of {len(epochs)} epochs rebuilt in {folder}"
    document = {"folder": str(folder), "epochs": epochs, "unreadable_lines": unreadable}
    return Answer([text], document, notes if unreadable else ())
