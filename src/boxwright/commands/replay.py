# SPDX-License-Identifier: Apache-2.0
"""`boxwright replay RUN`: make the tables of a run, its TensorBoard file and its page anew from events.jsonl."""

from __future__ import annotations

from pathlib import Path

from boxwright.config.load import Resolved
from boxwright.config.schema.verbs import ReplaySettings
from boxwright.errors import SettingError
from boxwright.report.page import page
from boxwright.report.results_figure import figure_of
from boxwright.runs.evaluation.report_content import REPORT, history_of, read_content
from boxwright.structures.answer import Answer
from boxwright.system.claim import claimed
from boxwright.system.files import write_image, write_text
from boxwright.system.run_folder import RunFile, RunFolder, named
from boxwright.track.sinks.class_table import class_lines
from boxwright.track.sinks.event_log import Log, read_log
from boxwright.track.sinks.results_table import CsvTable, past_rows, read, text_row
from boxwright.track.sinks.tensorboard import TAGS, rebuilt


def run(resolved: Resolved[ReplaySettings]) -> Answer:
    """Rebuild what the event log tells; the log itself stays as it is."""
    folder = Path(resolved.settings.run)
    log = folder / RunFile.EVENTS
    if not log.is_file():
        raise SettingError(str(log), "there is no such file", "Give a run folder")
    with claimed(folder):  # a training that goes on there writes the same files
        return _rebuilt(folder, log)


def _rebuilt(folder: Path, log: Path) -> Answer:
    told = read_log(log)
    CsvTable(folder / RunFile.RESULTS, told.epochs)
    drawn = _picture(folder, told)  # before TensorBoard, which shows it
    rebuilt(folder, told, told.epochs, _tags(told)).close()
    write_text(folder / RunFile.CLASSES, "".join(f"{class_lines(one)}\n" for one in told.validations if one.classes))
    made = [RunFile.RESULTS, *drawn, *_text_table(folder, told), RunFile.CLASSES, *_report(folder), "TensorBoard file"]
    notes = (f"{log}: {told.torn} lines could not be read and were passed over",) if told.torn else ()
    text = f"{', '.join(made[:-1])} and {made[-1]} of {len(told.epochs)} epochs rebuilt in {folder}"
    return Answer(
        [text],
        {"folder": str(folder), "epochs": [event.epoch for event in told.epochs], "unreadable_lines": told.torn},
        notes,
    )


def _tags(told: Log) -> str:
    """Under which names TensorBoard shows the run."""
    said = told.settings.get("tensorboard_tags")
    return said if isinstance(said, str) and said in TAGS else "csv"


def _picture(folder: Path, told: Log) -> list[str]:
    """The course of the run, where it drew one.

    Other pictures need the network or the images: `boxwright report` makes those.
    """
    if told.settings.get("noplots") or not told.epochs:
        return []
    write_image(folder / RunFile.RESULTS_PICTURE, figure_of(read(folder / RunFile.RESULTS)))
    return [RunFile.RESULTS_PICTURE]


def _text_table(folder: Path, told: Log) -> list[str]:
    """results.txt of 2020, under the name that the run's weights bear.

    Rows whose last step an older log does not hold stay as they are.
    """
    if told.settings.get("results_file") != "txt":
        return []
    place = named(folder / RunFile.RESULTS_OF_2020, RunFolder(folder).suffix)
    there = past_rows(place) if len(told.steps) < len(told.epochs) else {}
    rows = [
        text_row(event, told.steps.get(event.epoch))
        if event.epoch in told.steps
        else there.get(event.epoch, text_row(event, None))
        for event in told.epochs
    ]
    write_text(place, "".join(f"{row}\n" for row in rows))
    return [place.name]


def _report(folder: Path) -> list[str]:
    """report.html, from its content beside it and the table.

    What a run was judged by is not in the log: `boxwright report` validates anew.
    """
    content = read_content(folder)
    if content is None:
        return []
    write_text(folder / REPORT, page([{**content, "history": history_of(folder)}]))
    return [REPORT]
