# SPDX-License-Identifier: Apache-2.0
"""How a run stands, from outside: what its event log says so far, and whether its process lives. Nothing is written."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from boxwright.errors import EXIT_DONE, EXIT_TRY_AGAIN, SettingError
from boxwright.structures.answer import counted
from boxwright.system.claim import LAPSE_S, Presence, presence_in
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import (
    Ended,
    EpochEnded,
    EpochStarted,
    RunEnded,
    RunStarted,
    StepLogged,
    StreamStarted,
)
from boxwright.track.sinks.epoch_row import clock
from boxwright.track.sinks.event_lines import Timed

if TYPE_CHECKING:
    from pathlib import Path

OTHER_CLOCK_S = 3600.0  # that clocks of two machines may be apart
LAST_EPOCHS = 10  # whose time says how long the next ones will take


class Stands(StrEnum):
    """How a run stands."""

    BEGINS = "begins"  # its process lives and has not come to the first epoch of this start
    TRAINS = "trains"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    DIED = "died"  # its process was killed, or its machine went down

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes by itself."""
        return self not in {Stands.BEGINS, Stands.TRAINS}


class Life:
    """Whether a process works in a run folder.

    Of one on this machine the system knows. One elsewhere gives signs of life: it is taken for dead when none was seen
    for a while, by our own watch, since clocks of machines need not agree.
    """

    def __init__(self, folder: Path, *, patient: bool) -> None:
        """`patient`: we will look again. Else the clock of this machine has to do."""
        self.folder, self.patient = folder, patient
        self.presence: Presence | None = None
        self._since = 0.0

    def look(self) -> bool | None:
        """Whether it lives; None where there is nobody."""
        found, before = presence_in(self.folder), self.presence
        self.presence = found
        if found is None or found.owner is None:  # a claim that was torn had its writer torn with it
            return None if found is None else False
        if found.owner.is_here:
            return found.owner.lives
        if before != found:
            self._since = time.monotonic()
        silent_s, by_clock_s = time.monotonic() - self._since, time.time() - found.touched
        return by_clock_s < LAPSE_S or (self.patient and silent_s < LAPSE_S and by_clock_s < OTHER_CLOCK_S)

    @property
    def words(self) -> str:
        """Who it is."""
        return "" if self.presence is None or self.presence.owner is None else str(self.presence.owner)


@dataclass
class RunState:
    """What the log of a run says so far."""

    started: RunStarted | None = None
    epoch: EpochStarted | None = None  # the one that is trained now
    step: StepLogged | None = None  # the last one of it
    row: EpochEnded | None = None  # of the last epoch that is through
    ended: RunEnded | None = None
    last_event: float = 0.0  # these in seconds since 1970
    epoch_began: float = 0.0
    _ends: list[float] = field(default_factory=list)  # of the last epochs of this start, and its beginning

    def take(self, timed: Timed) -> None:
        """Take note of an event."""
        at, event = timed
        self.last_event = max(self.last_event, at)
        match event:
            case StreamStarted():
                self.started = self.epoch = self.step = self.ended = None
            case RunStarted():
                self.started, self.epoch, self.step, self.ended, self._ends = event, None, None, None, []
            case EpochStarted():
                self.epoch, self.step, self.epoch_began = event, None, at
                self._ends = self._ends or [at]
            case StepLogged():
                self.step = event
            case EpochEnded():
                self.row, self.epoch, self.step = event, None, None
                self._ends = [*self._ends, at][-LAST_EPOCHS - 1 :]
            case RunEnded():
                self.ended, self.epoch = event, None

    @property
    def epochs(self) -> int:
        """How many there will be at most; 0 while that is not known."""
        known = self.started or self.row
        return 0 if known is None else known.epochs

    @property
    def epochs_done(self) -> int:
        """Epochs that are through, without those that this start makes again."""
        if self.started is not None and not self._ends[1:]:
            return self.started.first_epoch
        return 0 if self.row is None else self.row.epoch + 1

    def seconds_left(self, now: float) -> float | None:
        """Until the last epoch is through, by the time of the last ones; None while none is through."""
        if not self._ends[1:] or not self.epochs:
            return self._by_steps()
        each = (self._ends[-1] - self._ends[0]) / (len(self._ends) - 1)
        return max(each * (self.epochs - self.epochs_done) - max(now - self._ends[-1], 0), 0)

    def _by_steps(self) -> float | None:
        """The same by the batches of the first epoch, without its validation."""
        step = self.step
        if step is None or step.batch < 1:
            return None
        each = step.elapsed_s / (step.batch + 1) * step.batches
        return each * (self.epochs - step.epoch) - step.elapsed_s

    def stands(self, folder: Path, lives: bool | None) -> Stands:
        """How the run stands. One that says its end stands so as soon as its process has left the folder."""
        if lives:
            begun = self.started is not None and self.ended is None and (self.epoch is not None or bool(self._ends))
            return Stands.TRAINS if begun else Stands.BEGINS
        if self.ended is not None and self.ended.ended is Ended.FAILED:
            return Stands.FAILED
        if RunFolder(folder).done() is not None:
            return Stands.DONE
        return Stands.DIED if lives is False and self.ended is None else Stands.STOPPED


class Report(NamedTuple):
    """How a run stands, as lines and as a document."""

    stands: Stands
    facts: list[tuple[str, str]]
    sentence: str
    document: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """0 for a run that is done or goes on; else what says that it can be gone on with."""
        return EXIT_DONE if self.stands is Stands.DONE or not self.stands.is_over else EXIT_TRY_AGAIN


def require_run(folder: Path) -> None:
    """Raise SettingError for a place that is no run folder."""
    if not folder.is_dir():
        raise SettingError(str(folder), "there is no such folder", "Give a run folder, such as runs/train/exp")
    if not any((folder / name).is_file() for name in (RunFile.EVENTS, RunFile.CLAIM, RunFile.SETTINGS)):
        raise SettingError(str(folder), "there is no run in it", "Give a run folder, such as runs/train/exp")


def report_of(folder: Path, state: RunState, life: Life, stands: Stands) -> Report:
    """How the run stands now."""
    now = time.time()
    left = None if stands.is_over else state.seconds_left(now)
    sentence = _sentence(folder, state, life, stands)
    facts = [("state", stands.value)]
    if stands is Stands.TRAINS and state.epoch is not None:
        batch = "" if state.step is None else f", batch {state.step.batch + 1} of {state.step.batches}"
        facts.append(("epoch", f"{state.epoch.epoch + 1} of {state.epochs}{batch}"))
    facts.append(("done", f"{counted(state.epochs_done, 'epoch')}" + (f" of {state.epochs}" if state.epochs else "")))
    if state.row is not None:
        facts += _measured(state.row)
    facts += [("left", f"about {clock(left)}")] if left is not None else []
    facts += [("process", life.words)] if life.words else []
    facts += [("last event", f"{clock(now - state.last_event)} ago")] if state.last_event else []
    return Report(
        stands,
        [*facts, ("in words", sentence)] if stands.is_over else facts,
        sentence,
        _document(folder, state, life, stands, left),
    )


def _measured(row: EpochEnded) -> list[tuple[str, str]]:
    short = (("metrics/precision", "P"), ("metrics/recall", "R"), ("metrics/mAP_0.5", "mAP50"))
    named = (*short, ("metrics/mAP_0.5:0.95", "mAP50-95"))
    found = [f"{word} {row.results[key]:.3g}" for key, word in named if row.results.get(key) is not None]
    best = [("best", f"epoch {row.best_epoch + 1}, fitness {row.best_fitness:.4g}")] if row.best_epoch >= 0 else []
    return [*([(f"epoch {row.epoch + 1}", ", ".join(found))] if found else []), *best]


def _sentence(folder: Path, state: RunState, life: Life, stands: Stands) -> str:
    """The end in words, with the command that goes on."""
    way_on = f"go on with: {shlex.join(['boxwright', 'train', '--resume', str(folder)])}"
    behind = f"after {counted(state.epochs_done, 'epoch')}" + (f" of {state.epochs}" if state.epochs else "")
    why = "" if state.ended is None else state.ended.reason
    match stands:
        case Stands.DONE:
            return f"{folder}: done {behind}" + (f" ({why})" if why not in {"", "done"} else "")
        case Stands.STOPPED:
            return f"{folder}: stopped {behind} ({why or 'its log does not say why'}); {way_on}"
        case Stands.FAILED:
            return f"{folder}: failed {behind}: {why}"
        case Stands.DIED:
            who = f" ({life.words})" if life.words else ""
            return f"{folder}: its process is gone without a word{who}, {behind}; {way_on}"
        case _:
            return f"{folder}: {stands.value}, {counted(state.epochs_done, 'epoch')} of {state.epochs} done"


def _document(folder: Path, state: RunState, life: Life, stands: Stands, left: float | None) -> dict[str, Any]:
    row, owner = state.row, None if life.presence is None else life.presence.owner
    return {
        "folder": str(folder),
        "state": stands.value,
        "reason": None if state.ended is None else state.ended.reason,
        "epochs": state.epochs,
        "epochs_done": state.epochs_done,
        "epoch": None if state.epoch is None else state.epoch.epoch,
        "batch": None if state.step is None else state.step.batch,
        "batches": None if state.step is None else state.step.batches,
        "results": None if row is None else row.results,
        "fitness": None if row is None else row.fitness,
        "best_epoch": None if row is None or row.best_epoch < 0 else row.best_epoch,
        "best_fitness": None if row is None or row.best_epoch < 0 else row.best_fitness,
        "seconds_left": left,
        "last_event": state.last_event or None,
        "process": None if owner is None else {"pid": owner.pid, "host": owner.host, "since": owner.since},
    }
