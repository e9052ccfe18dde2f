# SPDX-License-Identifier: Apache-2.0
"""From events of a run to calls of a tracker's service."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from boxwright.system.files import hold_file, remove
from boxwright.system.run_folder import OF_REPORT, RunFile, RunFolder
from boxwright.track.events import (
    BoxesShown,
    CheckpointSaved,
    EpochEnded,
    Event,
    LabelsCounted,
    Pictured,
    RunEnded,
    RunStarted,
    SystemMeasured,
    Validated,
)
from boxwright.track.sinks.class_table import class_record
from boxwright.track.sinks.service import Service, TrackedRun
from boxwright.track.tracker_state import TrackerState

if TYPE_CHECKING:
    from collections.abc import Callable

BYTES_PER_S = 100_000  # the slowest way to a service that a file is waited for
PARTS = 10  # of a run, each of which shows its classes once
CALL_S = 60.0  # that any call may take


class Translation:
    """Sends events to one open service. `doing` is told what is called next, and for how many seconds at most."""

    def __init__(
        self, run: TrackedRun, service: Service, state: TrackerState, doing: Callable[[str, float], None]
    ) -> None:
        self.run, self.service, self.state, self.doing = run, service, state, doing
        self.folder = RunFolder(run.folder)
        self.step = max(state.steps.get(EpochEnded.__name__, 0), 0)

    def send(self, event: Event, time_s: float) -> None:
        """Send one event. What the service has already is left out."""
        self.doing(type(event).__name__, CALL_S)
        match event:
            case RunStarted():
                self.service.config(event.settings)
            case EpochEnded() | SystemMeasured():
                self._numbers(event, time_s)
            case Validated():
                self._validated(event, time_s)
            case LabelsCounted(counts):
                self.service.table("labels", ("class", "objects"), [*enumerate(counts)], 0)
            case Pictured():
                self._picture(event)
            case BoxesShown():
                self.step = event.epoch
                self.service.boxes(self.run.folder, event.images, event.names, event.epoch)
            case CheckpointSaved():
                self._file(
                    self.folder.checkpoint(event.kind), "model", (event.kind.replace("epoch", "epoch "), "latest")
                )
            case RunEnded():
                self._final()

    def _numbers(self, event: EpochEnded | SystemMeasured, time_s: float) -> None:
        kind = type(event).__name__
        self.step = event.epoch
        if event.epoch <= self.state.steps.get(kind, -1):
            return
        self.service.numbers(numbers_of(event), event.epoch, time_s)
        self.state.steps[kind] = event.epoch

    def _validated(self, event: Validated, time_s: float) -> None:
        """The table of classes; of the validation behind the last epoch its numbers as well."""
        if event.epoch is not None:
            self.step = event.epoch
        rows = [class_record(one, event) for one in event.classes]
        if rows and (event.epoch is None or event.show_classes or event.epoch % self._every() == 0):
            columns = [name for name in rows[0] if name not in {"version", "epoch"}]
            cells = [["" if row[name] is None else row[name] for name in columns] for row in rows]
            self.service.table("classes", columns, cells, self.step)
        if event.epoch is None:
            found = {"precision": event.precision, "recall": event.recall, "mAP_0.5": event.map50}
            found |= {"mAP_0.5:0.95": event.map50_95}
            self.service.numbers({f"best/{name}": value for name, value in found.items()}, self.step, time_s)

    def _every(self) -> int:
        """Epochs between tables."""
        asked, epochs = (self.run.settings.get(key) for key in ("bbox_interval", "epochs"))
        if isinstance(asked, int) and asked > 0:
            return asked
        return max(epochs // PARTS, 1) if isinstance(epochs, int) else 1

    def _picture(self, event: Pictured) -> None:
        """A picture as it lies there now; one that is gone is left out."""
        path = self.run.folder / Path(event.path).name
        if path.is_file():
            self.doing(path.name, CALL_S + path.stat().st_size / BYTES_PER_S)
            self.service.picture(path, path.stem, self.step)

    def _final(self) -> None:
        """Weights, page and records of a run that is done; one that goes on later has none yet."""
        if self.folder.done() is None:
            return
        aliases = tuple(dict.fromkeys(("latest", *self.run.aliases)))
        for kind in ("last", "best"):
            path = self.folder.stored(kind)
            self._file(path, "model", tuple(dict.fromkeys((kind, *aliases))) if kind == "best" else (kind,))
        records = (RunFile.HYPERPARAMETERS, RunFile.OPTIONS, RunFile.SETTINGS, RunFile.RESULTS, *OF_REPORT[:1])
        for name in records:
            self._file(self.folder / name, "record", ())

    def _file(self, path: Path, kind: str, aliases: tuple[str, ...]) -> None:
        """A file, held as it is now until it is through; one that is gone is left out."""
        if not path.is_file():
            return
        held = self.run.own / "sending" / path.name
        hold_file(path, held)
        self.doing(path.name, CALL_S + held.stat().st_size / BYTES_PER_S)
        self.service.file(held, path.name, kind, aliases)
        self.state.files = list(dict.fromkeys((*self.state.files, path.name)))


def numbers_of(event: EpochEnded | SystemMeasured) -> dict[str, float]:
    """What was measured, by the names of the results table."""
    if isinstance(event, EpochEnded):
        found = {**event.results, "fitness": event.fitness}
        found |= {"system/seconds": event.seconds or None, "system/data_wait": event.data_wait or None}
    else:
        found = {
            "system/cpu_percent": event.cpu_percent,
            "system/memory_percent": event.memory_percent,
            "system/process_bytes": event.process_bytes,
            "system/device_bytes": event.device_bytes,
        }
    return {
        name: float(value)
        for name, value in found.items()
        if value is not None and math.isfinite(value) and not (name.startswith("coco/") and value < 0)  # of nothing
    }


def sweep_held(run: TrackedRun) -> None:
    """Take away the second names of files that were on their way."""
    remove(run.own / "sending")
