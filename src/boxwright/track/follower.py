# SPDX-License-Identifier: Apache-2.0
"""Follows the event log of a run, and sends what is in it to one tracker's service, in a process of its own.

The training writes the log and never waits for this. What the service does not take is tried again; where it stands is
written down before and after each event, so that a process which is ended at any moment is gone on for by the next one.

It tells its parent, in lines of JSON: `doing` (what is called now, and for how long that may take), `at` (the lines
that are through), `open` (where the run is), `failing` (why the service did not take something), `done`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.system.claim import ClaimedError, claimed
from boxwright.system.files import WriteError, make_folder
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import EpochEnded, RunEnded, SystemMeasured
from boxwright.track.followed_log import Entry, FollowedLog, begin_of_run, without_taken_back
from boxwright.track.sinks.service import Service, TrackedRun
from boxwright.track.tracker_state import TrackerState, is_sent, read_state
from boxwright.track.trackers import TRACKERS, end_of, tracked_run
from boxwright.track.translation import CALL_S, Translation, sweep_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TextIO

LOOK_S = 0.5  # between looks at the log
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # before another try
OPENING_S = 120.0  # that loading a library and opening a run may take, on a machine that has other work
CLOSING_S = 120.0
TRIES = 5  # of one event at a service that otherwise works, before it is left out
LAST_S = 10.0  # that are left when the parent is gone
LONGEST_REASON = 200  # characters
AGAIN = "again"  # the word for what was refused before
FINISHED = "finished"
GO_ON, GONE = "", "gone"  # what the parent may want; anything else is how the run ended


class Follower:
    """One tracker of one run.

    `asked` says what the parent wants: nothing, GONE when it is no more, else 'finished', 'stopped' or 'failed': the
    log has ended. `pause` waits so many seconds, or until that changes.
    """

    def __init__(
        self,
        folder: RunFolder,
        name: str,
        make: Callable[[], Service],
        say: Callable[[dict[str, Any]], None],
        asked: Callable[[], str],
        pause: Callable[[float], object],
    ) -> None:
        self.folder, self.name, self.make, self.say, self.asked, self.pause = folder, name, make, say, asked, pause
        self.own = folder.tracker(name)
        self.log = FollowedLog(folder / RunFile.EVENTS)
        self.state = TrackerState()
        self._open: Translation | None = None
        self._run: TrackedRun | None = None
        self._unsaved = False

    def follow(self, *, again: bool = False) -> list[str]:
        """Until the run has ended, or the parent is gone, and everything is through.

        What the user can do with what is left here, in lines. `again`: what the service refused before, too.
        """
        self.state = read_state(self.own) or self.state
        if again and self.state.refused:
            self.state.sent, self.state.refused = min(self.state.refused), []
        if self.state.sent < 0:
            self.state.sent = begin_of_run(self.folder / RunFile.EVENTS)
        failures = 0
        while True:
            try:
                wanted = self.asked()
                self._catch_up()
                if wanted:
                    return self._close("stopped" if wanted == GONE else wanted)
            except Exception as error:  # noqa: BLE001 -- whatever a library raises, it is tried again
                self.say({"failing": reason_of(error)})
                self._open = None
                self.pause(PAUSES_S[min(failures, len(PAUSES_S) - 1)])
                failures += 1
            else:
                failures = 0
                self.pause(LOOK_S)

    def _catch_up(self) -> None:
        """Send what is new. Raises what the service raises."""
        opened = self._open or self._opened()
        entries = without_taken_back(self.log.after(self.state.sent))
        for entry in entries:
            if is_sent(entry.event):
                self._send(opened, entry)
            self.state.sent = entry.number + 1
            if is_sent(entry.event):
                self._saved()
                self.say({"at": self.state.sent})
        if entries:
            self._saved()

    def _send(self, opened: Translation, entry: Entry) -> None:
        state = self.state
        assert entry.event is not None  # asked for before
        state.tries = state.tries + 1 if state.sending == entry.number else 1
        state.sending = entry.number
        if state.tries > TRIES:
            state.refused.append(entry.number)
        else:
            self._saved()
            opened.send(entry.event, entry.time_s)
        state.sending, state.tries = -1, 0

    def _opened(self) -> Translation:
        """The run, open at the service; what it has already is known then. Raises what the service raises."""
        self.say({"doing": "opening", "within": OPENING_S})
        self._saved()  # the key, before a run is made under it
        self._run = tracked_run(self.folder, self.name, self.state.key, self.state.id)
        sweep_held(self._run)
        service = self.make()
        found = service.open(self._run)
        state = self.state
        state.id, state.place, state.closed = found.id, found.place, ""
        if found.anew:
            state.steps, state.refused, state.files = {}, [], []
            state.sent = begin_of_run(self.folder / RunFile.EVENTS)
        elif found.last_step is not None:
            self._rewind(found.last_step)
        self._saved()
        self.say({"open": found.place})
        self._open = Translation(self._run, service, state, lambda what, s: self.say({"doing": what, "within": s}))
        return self._open

    def _rewind(self, last_step: int) -> None:
        """Know what the service has, rather than what was handed to its library."""
        state = self.state
        kinds = EpochEnded.__name__, SystemMeasured.__name__
        if last_step < state.steps.get(kinds[0], -1):
            state.sent = min(state.sent, self._begin_of_epoch(last_step + 1))
            state.steps = {kind: min(step, last_step) for kind, step in state.steps.items()}
        state.steps[kinds[0]] = max(state.steps.get(kinds[0], -1), last_step)

    def _begin_of_epoch(self, epoch: int) -> int:
        """The line of the first row of an epoch, or of a later one."""
        begin = begin_of_run(self.folder / RunFile.EVENTS)
        rows = [one for one in FollowedLog(self.folder / RunFile.EVENTS).after(begin) if epoch_of(one) >= epoch]
        return rows[0].number if rows else self.state.sent

    def _saved(self) -> None:
        """Write down where it stands. A full disk does not stop it: after a kill more may be sent twice then."""
        try:
            self.state.save(self.own)
            self._unsaved = False
        except WriteError as error:
            if not self._unsaved:
                self.say({"failing": f"{error} It is sent all the same"})
            self._unsaved = True

    def _close(self, asked: str) -> list[str]:
        opened = self._open or self._opened()
        self.say({"doing": "closing", "within": CLOSING_S})
        ends = [one.event for one in FollowedLog(self.log.path).after(0) if isinstance(one.event, RunEnded)]
        told = end_of(ends[-1]) if ends else "stopped"
        end = told if asked == FINISHED else asked
        left = opened.service.close(end)
        assert self._run is not None  # with what is open
        sweep_held(self._run)
        self.state.closed = end
        self._saved()
        return left


def epoch_of(entry: Entry) -> int:
    """The epoch of a row; -1 for what is none."""
    return entry.event.epoch if isinstance(entry.event, EpochEnded) else -1


def reason_of(error: Exception) -> str:
    """An error of a library in a few words."""
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason if len(reason) <= LONGEST_REASON else f"{reason[:LONGEST_REASON]} ..."


# -- the process


class Parent:
    """Whoever started this process: what it wants stands in the lines of our input, and ours go to it."""

    def __init__(self, lines: Iterable[str], out: TextIO) -> None:
        self._out, self._wanted, self._changed = out, GO_ON, threading.Event()
        threading.Thread(target=self._listen, args=(lines,), name="boxwright parent", daemon=True).start()

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._wanted = line.strip() or self._wanted
            self._changed.set()
        if not self._wanted:
            self._wanted = GONE
            self._changed.set()
        threading.Event().wait(LAST_S)
        os._exit(0)  # a library may hang, and nobody is left to end it

    def asked(self) -> str:
        """What it wants."""
        return self._wanted

    def pause(self, seconds: float) -> None:
        """Wait, but not when it wants something that is new."""
        self._changed.wait(seconds)
        self._changed.clear()

    def say(self, document: dict[str, Any]) -> None:
        """Tell it something. One that is gone hears nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._out.write(json.dumps(document) + "\n")
            self._out.flush()


def main(services: dict[str, Callable[[], Service]] | None = None) -> None:
    """Follow: `FOLDER NAME`. What libraries print goes to the standard error."""
    folder, name = RunFolder(Path(sys.argv[1])), sys.argv[2]
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    parent = Parent(sys.stdin, out)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(10)  # the training goes first
    make = (services or {name: tracker.make for name, tracker in TRACKERS.items()})[name]
    parent.say({"doing": "claiming", "within": CALL_S})
    make_folder(folder.tracker(name))
    follower = Follower(folder, name, make, parent.say, parent.asked, parent.pause)
    while True:
        try:
            with claimed(folder.tracker(name)):
                left = follower.follow(again=AGAIN in sys.argv[3:])
            parent.say({"done": left})  # last: it may be ended now
            break
        except ClaimedError:  # by the one of a run that was killed and goes on: it will soon be gone
            if parent.asked() == GONE:
                break
            parent.say({"failing": "another process sends this run", "claimed": True})
            parent.pause(PAUSES_S[0])
    out.close()
    os._exit(0)  # what libraries do at the end of a process is done
