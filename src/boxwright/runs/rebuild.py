# SPDX-License-Identifier: Apache-2.0
"""The tables of a run, its TensorBoard file and its page, made anew from its event log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from boxwright.errors import SettingError
from boxwright.report.results_figure import figure_of
from boxwright.runs.evaluation.report_files import redraw
from boxwright.system.claim import claimed
from boxwright.system.files import write_image, write_text
from boxwright.system.run_folder import RunFile, RunFolder, named
from boxwright.track.sinks.class_table import class_lines
from boxwright.track.sinks.event_log import Log, read_log
from boxwright.track.sinks.results_table import CsvTable, past_rows, read, rows_before, text_row
from boxwright.track.sinks.tensorboard import TAGS, rebuilt

if TYPE_CHECKING:
    from pathlib import Path


class Rebuilt(NamedTuple):
    """What was made anew, of which epochs, and how many lines of the log could not be read."""

    made: list[str]
    epochs: list[int]
    unreadable: int


def rebuild(folder: Path) -> Rebuilt:
    """Make anew what the event log tells; the log itself stays as it is. Raises SettingError where there is none."""
    log = folder / RunFile.EVENTS
    if not log.is_file():
        raise SettingError(str(log), "there is no such file", "Give a run folder")
    with claimed(folder):  # a training that goes on there writes the same files
        found = read_log(log)
        CsvTable(folder / RunFile.RESULTS, found.epochs)
        drawn = _picture(folder, found)  # before TensorBoard, which shows it
        rebuilt(folder, found, found.epochs, _tags(found)).close()
        write_text(
            folder / RunFile.CLASSES, "".join(f"{class_lines(one)}\n" for one in found.validations if one.classes)
        )
        # What a run was judged by is not in the log: `boxwright report` validates anew.
        page = [RunFile.REPORT] if redraw(folder) else []
        made = [RunFile.RESULTS, *drawn, *_text_table(folder, found), RunFile.CLASSES, *page, "TensorBoard file"]
    return Rebuilt(made, [event.epoch for event in found.epochs], found.torn)


def _tags(found: Log) -> str:
    """Under which names TensorBoard shows the run."""
    said = found.settings.get("tensorboard_tags")
    return said if isinstance(said, str) and said in TAGS else "csv"


def _picture(folder: Path, found: Log) -> list[str]:
    """The course of the run, where it drew one.

    Other pictures need the network or the images: `boxwright report` makes those.
    """
    if found.settings.get("noplots") or not found.epochs:
        return []
    write_image(
        folder / RunFile.RESULTS_PICTURE, figure_of(read(folder / RunFile.RESULTS), found.epochs[-1].best_epoch)
    )
    return [RunFile.RESULTS_PICTURE]


def _text_table(folder: Path, found: Log) -> list[str]:
    """results.txt of 2020, under the name that the run's weights bear.

    Rows whose last step an older log does not hold stay as they are.
    """
    if found.settings.get("results_file") != "txt":
        return []
    name = named(folder / RunFile.RESULTS_OF_2020, RunFolder(folder).suffix).name
    there = past_rows(folder / name) if len(found.steps) < len(found.epochs) else {}
    rows = [*rows_before(folder / name, found.epochs[0].epoch if found.epochs else 0)] + [
        text_row(event, found.steps.get(event.epoch))
        if event.epoch in found.steps
        else there.get(event.epoch, text_row(event, None))
        for event in found.epochs
    ]
    write_text(folder / name, "".join(f"{row}\n" for row in rows))
    return [name]
