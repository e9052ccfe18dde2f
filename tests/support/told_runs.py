# SPDX-License-Identifier: Apache-2.0
"""Event logs of runs that were never trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import (
    RESULT_KEYS,
    BoxesShown,
    CheckpointSaved,
    ClassResult,
    Ended,
    EpochEnded,
    Event,
    LabelsCounted,
    Pictured,
    RunEnded,
    RunStarted,
    ShownBox,
    ShownImage,
    SystemMeasured,
    Told,
    Validated,
)
from boxwright.track.sinks.event_log import EventLog

if TYPE_CHECKING:
    from pathlib import Path


def ended(epoch: int, epochs: int = 3, **results: float) -> EpochEnded:
    values = dict.fromkeys(RESULT_KEYS, 0.5) | results
    return EpochEnded(epoch, epochs, values, 0.1, 0.1, 0, 0.1, 2.0, final=epoch == epochs - 1)


def validated(epoch: int | None) -> Validated:
    one = ClassResult("cat", 2, 3, 0.5, 0.25, 0.125, 0.0625)
    return Validated(epoch, 2, 3, 0.5, 0.25, 0.125, 0.0625, 0.3, (one,), {"inference": 1.0})


def started(first_epoch: int = 0, epochs: int = 3) -> RunStarted:
    return RunStarted("runs/exp", ("a line",), first_epoch, epochs, {"epochs": epochs, "lr0": 0.01})


def shown(epoch: int) -> BoxesShown:
    truth, found = ShownBox((1.0, 2.0, 8.0, 9.0), "cat", 0), ShownBox((1.5, 2.0, 8.0, 9.5), "cat", 0, 0.75)
    return BoxesShown(epoch, ("cat",), (ShownImage("trackers/images/00.jpg", (32, 32), (truth,), (found,)),))


def epoch_of_it(epoch: int, epochs: int = 3) -> list[Event]:
    return [validated(epoch), ended(epoch, epochs), SystemMeasured(epoch, 50.0, 10.0, 1 << 20, 0)]


def end(how: Ended = Ended.DONE, epochs: int = 3) -> RunEnded:
    return RunEnded("all epochs are trained", epochs, 0.1, 0, 0.1, "runs/exp", (), how)


def whole(epochs: int = 3) -> list[Event]:
    """Everything that a run of three epochs tells."""
    events: list[Event] = [started(epochs=epochs), LabelsCounted((3, 1)), Pictured("x/labels.jpg", "labels", (8, 8))]
    for epoch in range(epochs):
        events += [*epoch_of_it(epoch, epochs), shown(epoch), CheckpointSaved("weights/last.pt", "last", epoch)]
    return [*events, CheckpointSaved("weights/epoch1.pt", "epoch1", 1), Told("a line"), validated(None), end()]


def told(folder: Path, *events: Event) -> RunFolder:
    """A run folder whose log has these events, behind those that it has already."""
    run = RunFolder(folder)
    run.weights.mkdir(parents=True, exist_ok=True)
    log = EventLog(run / RunFile.EVENTS)
    for event in events:
        log.handle(event)
    return run


def done(run: RunFolder) -> RunFolder:
    """With what a finished run has."""
    record = '{"reason": "", "epochs": 3, "hours": 0.1, "best_epoch": 0, "best_fitness": 0.1, "results": {}}'
    (run / RunFile.DONE).write_text(record)
    for name, size in (("last", 3), ("best", 2), ("epoch1", 1)):
        run.checkpoint(name).write_bytes(b"w" * size)
    (run / RunFile.REPORT).write_text("<html></html>")
    (run / RunFile.HYPERPARAMETERS).write_text("lr0: 0.01\n")
    (run.path / "labels.jpg").write_bytes(b"a picture")
    return run
