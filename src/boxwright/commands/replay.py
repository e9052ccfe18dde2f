# SPDX-License-Identifier: Apache-2.0
"""`boxwright replay RUN`: make results.csv and the TensorBoard file anew from events.jsonl."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ReplaySettings
from boxwright.errors import SettingError
from boxwright.structures.answer import Answer
from boxwright.track.log import read_log
from boxwright.track.table import CsvTable
from boxwright.track.tensorboard import rebuilt


def run(resolved: Resolved[ReplaySettings]) -> Answer:
    """Rebuild what the event log tells; the log itself stays as it is."""
    folder = Path(resolved.settings.run)
    log = folder / "events.jsonl"
    if not log.is_file():
        raise SettingError(str(log), "there is no such file", "Give a run folder")
    told = read_log(log)
    CsvTable(folder / "results.csv", told.epochs)
    rebuilt(folder, told, told.epochs, str(told.settings.get("tensorboard_tags", "csv"))).close()
    notes = (f"{log}: {told.torn} lines could not be read and were passed over",) if told.torn else ()
    text = f"results.csv and TensorBoard file of {len(told.epochs)} epochs rebuilt in {folder}"
    return Answer(text, {"folder": str(folder), "epochs": [event.epoch for event in told.epochs], "unreadable_lines": told.torn}, notes)
