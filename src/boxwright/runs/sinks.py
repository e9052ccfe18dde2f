# SPDX-License-Identifier: Apache-2.0
"""Which sinks a run has, and its files cut back to what is whole in them when it goes on."""

from __future__ import annotations

from typing import ClassVar

from boxwright.runs.plan import TrainPlan
from boxwright.system.files import sweep_unfinished
from boxwright.system.run_folder import LOGS, RunFile, RunFolder
from boxwright.track.bus import Delivery, Sink
from boxwright.track.events import EpochEnded, Event, RunEnded, StepLogged, epoch_ended
from boxwright.track.sinks.class_table import ClassTable, cut_classes
from boxwright.track.sinks.console import Console
from boxwright.track.sinks.event_log import EventLog, TextLog, read_log, step_of
from boxwright.track.sinks.event_stream import EventPrinter, EventStream
from boxwright.track.sinks.json_lines import mend
from boxwright.track.sinks.results_table import CsvTable, TextTable, about_text, rows_before
from boxwright.track.sinks.tensorboard import TensorBoard, rebuilt


class LogsWritten:
    """Announces the files that other sinks write, as often as they are whole up to an epoch.

    It stands behind those sinks. `folder` announces through the same bus.
    """

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder

    def handle(self, event: Event) -> None:
        """Announce them behind the row of an epoch and at the end."""
        if isinstance(event, EpochEnded | RunEnded):
            self.folder.wrote(*LOGS, *self.folder.tensorboard())

    def close(self) -> None:
        """Nothing is open."""


def sinks_of(plan: TrainPlan, folder: RunFolder) -> tuple[list[Sink], list[str]]:
    """Console and every file of events that the settings ask for, and what to say about damage. Raises WriteError."""
    settings = plan.settings
    for place in (folder.path, folder.weights):
        sweep_unfinished(place)  # what an interrupted write left; the whole files are there
    past, last, classes = past_epochs(plan), logged_step(plan), folder / RunFile.CLASSES
    lines = [mend(folder / RunFile.EVENTS)]
    log = read_log(folder / RunFile.EVENTS)
    lines.append(cut_classes(classes, plan.first_epoch, log.validations))
    tables: list[Sink] = [CsvTable(folder / RunFile.RESULTS, past), ClassTable(classes)]
    if settings.results_file == "txt":
        text = folder / RunFile.RESULTS_OF_2020
        lines.append(about_text(text))
        earlier = plan.earlier_rows or rows_before(text, past[0].epoch if past else plan.first_epoch)
        tables.append(TextTable(text, past, log.steps, last, earlier))
    sinks: list[Sink] = [
        EventPrinter() if settings.ndjson_console else Console(settings.console, quiet=settings.quiet),
        *tables,
        EventLog(folder / RunFile.EVENTS, last),
        TextLog(folder / RunFile.LOG),
    ]
    if settings.ndjson_file:
        lines.append(mend(folder / RunFile.ALL_EVENTS))
        sinks.append(EventStream(folder / RunFile.ALL_EVENTS))
    tags = settings.tensorboard_tags  # its writer has a thread: nothing that may fail comes behind it
    board = rebuilt(folder.path, log, past, tags) if past else TensorBoard(folder.path, (), tags)
    return [*sinks, board], [line for line in lines if line]


def logged_step(plan: TrainPlan) -> StepLogged | None:
    """The last batch of the epoch that a resumed run stands in, as it was told before."""
    return None if plan.resumed is None or plan.resumed.logged is None else step_of(plan.resumed.logged)


def past_epochs(plan: TrainPlan) -> list[EpochEnded]:
    """The epochs that a resumed run has behind it."""
    position = None if plan.resumed is None else plan.resumed.position
    return [] if position is None else [epoch_ended(row, plan.settings.epochs) for row in position.history]
