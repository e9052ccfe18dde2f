# SPDX-License-Identifier: Apache-2.0
"""A run followed from another shell: the table of its console from its event log, and how long it will take.

Steps within an epoch come from events.ndjson, where the run writes one. Nothing is written, and what was read once is
not read again.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from boxwright.errors import DataError
from boxwright.runs.run_state import Life, Report, RunState, Stands, report_of, require_run
from boxwright.system.run_folder import RunFile
from boxwright.system.screen import Screen
from boxwright.track.events import (
    VERSION,
    EpochEnded,
    EpochStarted,
    Event,
    RunEnded,
    RunStarted,
    StepLogged,
    StreamStarted,
    Told,
    Validated,
    Warned,
)
from boxwright.track.follow import LogFollower
from boxwright.track.sinks.console import Console
from boxwright.track.sinks.epoch_row import LAYOUTS, clock
from boxwright.track.sinks.event_lines import Timed, event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from typing import TextIO

POLL_S = 0.5  # between looks at the log
STEPS_BYTES = 1 << 16  # of the end of what is there of all steps: the newest are in it
# Epochs that are shown of those that are through, on a terminal: of a run that goes on, and of one that is over.
SHOWN_EPOCHS, SHOWN_AT_THE_END = 20, 500
TOLD = (StreamStarted, RunStarted, EpochStarted, StepLogged, Validated, EpochEnded, Warned, Told, RunEnded)


def watch(
    folder: Path, out: TextIO, *, until_done: bool = False, wait: Callable[[float], None] | None = None
) -> Report:
    """Follow a run to its end; how it stands then. `wait` is given seconds. Raises SettingError and DataError."""
    require_run(folder)
    news, life, view = _News(folder), Life(folder, patient=True), _View(out)
    told = ""
    try:
        while True:
            lives = life.look()  # before the log, so that nothing that is told at the end is missed
            view.show(news.events(), goes_on=bool(lives))
            stands = news.state.stands(folder, lives)
            found = report_of(folder, news.state, life, stands)
            if stands.is_over and not (until_done and stands is not Stands.DONE):
                return found
            if stands.is_over and told != found.sentence:
                told = found.sentence
                view.say(told)
            elif not stands.is_over:
                view.status(news.state, stands)
            (wait or time.sleep)(POLL_S)
    except KeyboardInterrupt:
        view.close()
        raise


def look(folder: Path) -> Report:
    """How a run stands now. Raises SettingError and DataError."""
    require_run(folder)
    news, life = _News(folder), Life(folder, patient=False)
    lives = life.look()
    news.read()
    return report_of(folder, news.state, life, news.state.stands(folder, lives))


class _News:
    """What is new in the logs of a run, in the order of its console; `state` is what they say so far."""

    def __init__(self, folder: Path) -> None:
        self.state = RunState()
        self._log = LogFollower(folder / RunFile.EVENTS)
        self._steps = LogFollower(folder / RunFile.ALL_EVENTS, STEPS_BYTES)
        self._shown: StepLogged | None = None
        self._held: Timed | None = None  # a validation; the row of its epoch comes first

    def read(self) -> None:
        """Take note of all that is there, and show nothing."""
        for timed in _events_of(self._log, [kind for kind in TOLD if kind is not Validated]):
            self.state.take(timed)
        for timed in _events_of(self._steps, (StepLogged,)):
            if self._is_current(timed):
                self.state.take(timed)

    def events(self) -> Iterator[Timed]:
        """What came since the last time."""
        begun = self._log.begun
        for timed in _events_of(self._log, TOLD):
            if self._log.begun > begun:
                self.state, begun = RunState(), self._log.begun
            self.state.take(timed)
            yield from self._in_order(timed)
        step = None
        for timed in _events_of(self._steps, (StepLogged,)):
            step = timed if self._is_current(timed) else step
        if step is not None:
            self.state.take(step)
            yield from self._in_order(step)

    def _is_current(self, timed: Timed) -> bool:
        now, step, event = self.state.epoch, self.state.step, timed.event
        if now is None or not isinstance(event, StepLogged) or event.epoch != now.epoch:
            return False
        if timed.time < self.state.epoch_began:  # of an earlier start, which wrote all steps
            return False
        return step is None or event.batch > step.batch

    def _in_order(self, timed: Timed) -> Iterator[Timed]:
        """The last step of an epoch is logged behind its validation, and was shown already where all steps are."""
        event = timed.event
        if isinstance(event, Validated) and event.epoch is not None:
            self._held = timed
            return
        if isinstance(event, StepLogged):
            if event == self._shown:
                return
            self._shown = event
        elif self._held is not None:
            yield self._held
            self._held = None
        yield timed


def _events_of(log: LogFollower, kinds: Collection[type[Event]]) -> Iterator[Timed]:
    """The events of new lines; what is none is passed over. Raises DataError for a format of later versions."""
    for line in log.new_lines():
        try:
            timed = event_of(line, kinds)
        except (ValueError, TypeError, RecursionError):
            continue
        if timed is None:
            continue
        if isinstance(timed.event, StreamStarted) and timed.event.version > VERSION:
            what = f"it is of format {timed.event.version}, and this program knows {VERSION}"
            raise DataError(str(log.path), what, "Follow it with the version that trains it")
        yield timed


class _View:
    """The console of the run, with the times of its own events, and on a terminal a line that says how it stands."""

    def __init__(self, out: TextIO) -> None:
        self.out = out
        self.screen = Screen(out) if out.isatty() else None
        self._at = 0.0
        self._console = Console(out=out, now=lambda: self._at)
        self._drawn, self._stepped, self._ended = "", False, False

    def show(self, events: Iterator[Timed], *, goes_on: bool) -> None:
        """Show events; of many epochs the last ones alone, on a terminal."""
        if self.screen is None:
            for timed in events:
                self._tell(timed)
            return
        most = SHOWN_EPOCHS if goes_on else SHOWN_AT_THE_END
        epochs: deque[list[Timed]] = deque(maxlen=most)
        left_out = 0
        for timed in events:
            if isinstance(timed.event, EpochStarted | RunStarted) or not epochs:
                left_out += len(epochs) == most
                epochs.append([])
            epochs[-1].append(timed)
        if left_out:
            self.say(f"the last {most} epochs; all of them are in {RunFile.RESULTS}")
        for timed in (one for epoch in epochs for one in epoch):
            self._tell(timed)

    def _tell(self, timed: Timed) -> None:
        self._at, event = timed
        if isinstance(event, RunStarted):
            layout = event.settings.get("console")
            if isinstance(layout, str) and layout in LAYOUTS:
                self._console = Console(layout, out=self.out, now=lambda: self._at)
        self._ended = self._ended or isinstance(event, EpochEnded)
        self._stepped = isinstance(event, StepLogged) and event.batch + 1 < event.batches
        self._console.handle(event)
        self._drawn = ""

    def say(self, text: str) -> None:
        """Say a line of our own."""
        self._console.handle(Told(text))

    def status(self, state: RunState, stands: Stands) -> None:
        """Draw the line that says how the run stands, where it does not stand in the row of the epoch."""
        left = state.seconds_left(time.time())
        if self._ended and left and self.screen is not None:
            self.say(f"about {clock(left)} left of the run")
        self._ended = False
        if self.screen is None or not self.screen.moves or self._stepped:
            return
        words = _in_words(state, stands)
        if words != self._drawn:
            self._drawn = words
            self.screen.draw_over(self.screen.text(self.screen.shortened(words, self.screen.width - 1)))

    def close(self) -> None:
        """Leave the line as it is; what follows goes below it."""
        self._console.close()


def _in_words(state: RunState, stands: Stands) -> str:
    now = time.time()
    if stands is Stands.BEGINS or state.epoch is None:
        since = f", last event {clock(now - state.last_event)} ago" if state.last_event else ""
        return f"{'between two epochs' if stands is Stands.TRAINS else 'no epoch has begun yet'}{since}"
    left = state.seconds_left(now)
    rest = "" if left is None else f", about {clock(left)} left of the run"
    return f"epoch {state.epoch.epoch + 1} of {state.epochs}: {clock(now - state.epoch_began)} so far{rest}"
