# SPDX-License-Identifier: Apache-2.0
"""The console sink: a header and a bar per epoch on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar

from boxwright.errors import printable
from boxwright.structures.answer import Table, TableLine, parts
from boxwright.system.screen import Screen
from boxwright.system.terminal import finish_open_line, say
from boxwright.track.bus import Delivery
from boxwright.track.events import (
    CheckpointSaved,
    ClassResult,
    EpochEnded,
    EpochStarted,
    Event,
    Pictured,
    RunEnded,
    RunStarted,
    StepLogged,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.epoch_row import LAYOUTS, EpochRow, clock, preparation

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

REFRESH_S = 0.1
PATIENCE_S = 1.0  # what takes no longer is not announced


VALIDATION_NAMES = ("Class", "Images", "Instances", "P", "R", "mAP50", "mAP50-95")


class Console:
    """Prints what people want to see of a run."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(
        self,
        layout: str = "7.0",
        *,
        quiet: bool = False,
        out: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now`: seconds as of the event that is handled; what is told later than it happened has its own."""
        self.layout = LAYOUTS[layout]
        self.quiet = quiet
        self.out = out or sys.stdout
        self.screen = Screen(self.out) if self.out.isatty() else None
        self._epoch_row = None if self.screen is None else EpochRow(self.screen, self.layout)
        self._shown_at = 0.0
        self._last: StepLogged | None = None
        self._now = now
        self._began = now()
        self._first_epoch = 0

    def handle(self, event: Event) -> None:
        """Print what belongs to an event."""
        match event:
            case RunStarted():
                self._began, self._first_epoch = self._now(), event.first_epoch
                self._lines(event.lines if self.screen is None else event.short_lines)
            case EpochStarted() if not self.quiet:
                self._header(event)
            case StepLogged() if not self.quiet:
                self._step(event)
            case Validated() if not self.quiet:
                self._validated(event)
            case EpochEnded() if self.quiet or self.screen is None:
                self._epoch_line(event)
            case Warned():
                self._warning(event.text)
            case Told() if not self.quiet:
                self._line(event.text)
            case CheckpointSaved() | Pictured():
                return
            case RunEnded():
                self._lines(event.lines)
            case _:
                return

    def close(self) -> None:
        """Finish an open line."""
        finish_open_line(self.out)

    # -- lines

    def _line(self, text: str) -> None:
        say(text, self.out)  # names of files and classes are in it
        self.out.flush()

    def _lines(self, lines: tuple[str, ...]) -> None:
        for part in lines if self.screen is None else parts(lines):
            if isinstance(part, str):
                self._line(part)
            elif self.screen is not None:
                self.screen.draw(part)

    def _warning(self, text: str) -> None:
        if self.screen is None:
            self._line(f"warning: {text}")
        else:
            self.screen.say_marked("warning", text)

    # -- training

    def _header(self, event: EpochStarted) -> None:
        self._last = None
        if self.screen is not None and self._epoch_row is not None:
            self._line("")
            self.screen.say(self._epoch_row.header(event))
        elif event.epoch == self._first_epoch:
            self._line("")
            self._line("".join(f"{name:>{self.layout.width}}" for name in self.layout.names))

    def _step(self, event: StepLogged) -> None:
        self._last = event
        if self.screen is None or self._epoch_row is None:
            return
        done, now = event.batch + 1 == event.batches, time.monotonic()
        if not done and (not self.screen.moves or now - self._shown_at <= REFRESH_S):
            return
        self._shown_at = now
        if not self.screen.moves:
            self.screen.say(self._epoch_row.row(event))
            return
        self.screen.draw_over(self._epoch_row.row(event))
        if done:
            self.screen.finish()

    def _columns(self, event: StepLogged) -> str:
        return "".join(f"{cell:>{self.layout.width}}" for cell in self.layout.cells(event))

    def _epoch_line(self, event: EpochEnded) -> None:
        """Everything about an epoch in one line, for logs."""
        results = event.results
        parts = (
            [self._columns(self._last)]
            if self._last is not None and not self.quiet
            else [f"epoch {event.epoch + 1} of {event.epochs}"]
        )
        if results.get("metrics/mAP_0.5") is not None:
            parts.append(f"mAP50 {results['metrics/mAP_0.5']:.4g}  mAP50-95 {results['metrics/mAP_0.5:0.95']:.4g}")
        done = event.epoch - self._first_epoch + 1
        left = (self._now() - self._began) / done * (event.epochs - event.epoch - 1)
        parts.append(f"{event.seconds:.1f} s, {clock(left)} left")
        self._line("  ".join(parts))

    # -- validation

    def _validated(self, event: Validated) -> None:
        notes = footnotes(event)
        notes = notes if event.epoch is None else notes[:1]
        if self.screen is not None or event.show_classes:
            self._lines((*validation_lines(event), *notes))


class Progress:
    """How far a long preparation has come: a line that moves on a terminal, elsewhere one line.

    What is quick says nothing.
    """

    def __init__(self, title: str, out: TextIO | None = None) -> None:
        self.title = title
        self.out = out or sys.stderr
        self._began = self._shown_at = time.monotonic()
        self._told = False

    def __call__(self, done: int, total: int) -> None:
        """Take note of the state. `total` 0: nobody knows."""
        now = time.monotonic()
        if now - self._began < PATIENCE_S:
            return
        screen = Screen(self.out) if self.out.isatty() else None
        if screen is None or not screen.moves:
            if not self._told:
                say(f"{self.title}: {total or done} ...", self.out)
        elif now - self._shown_at > REFRESH_S or done == total:
            self._shown_at = now
            screen.draw_over(preparation(screen, self.title, done, total, now - self._began))
            if total and done == total:
                screen.finish()
        self._told = True


def validation_rows(event: Validated) -> list[tuple[str, ...]]:
    """The table of a validation: a header, all classes together, and each class when asked."""
    whole = _row("all", event.images, event.labels, event.precision, event.recall, event.map50, event.map50_95)
    return [VALIDATION_NAMES, whole, *([_class_row(found) for found in event.classes] if event.show_classes else [])]


def validation_lines(event: Validated) -> list[str]:
    """The same in columns of a fixed width."""
    rows = validation_rows(event)
    table = Table(tuple(rows), (True,) * len(VALIDATION_NAMES), header=True, by_name=True)
    return [
        TableLine(f"{name[:22]:>22}" + "".join(f"{number:>11}" for number in numbers), table) for name, *numbers in rows
    ]


def footnotes(event: Validated) -> list[str]:
    """What P and R are read at, COCO's own numbers, and whether candidates were left out."""
    lines = [event.read_at]
    if event.coco:
        named = (
            ("AP", "AP"),
            ("AP50", "AP50"),
            ("AP75", "AP75"),
            ("AP_small", "small"),
            ("AP_medium", "medium"),
            ("AP_large", "large"),
            ("AR100", "AR100"),
        )
        lines.append("COCO's own rule: " + ", ".join(f"{word} {_measured(event.coco[name])}" for name, word in named))
    if event.capped:
        lines.append(f"{event.capped} candidates of low confidence were left out by the cap per image")
    return lines


def _measured(value: float) -> str:
    return "none" if value < 0 else f"{value:.3g}"


def _class_row(found: ClassResult) -> tuple[str, ...]:
    return _row(
        printable(found.name), found.images, found.labels, found.precision, found.recall, found.map50, found.map50_95
    )


def _row(name: str, images: int, labels: int, *values: float) -> tuple[str, ...]:
    return (name, str(images), str(labels), *(f"{value:.3g}" for value in values))
