# SPDX-License-Identifier: Apache-2.0
"""The console sink: a header and a bar per epoch on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from boxwright.errors import printable
from boxwright.system.terminal import say
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

if TYPE_CHECKING:
    from typing import TextIO

BAR_CELLS = 10
REFRESH_S = 0.1
PATIENCE_S = 1.0  # what takes no longer is not announced


class Layout(NamedTuple):
    """Columns of the training lines of one era."""

    names: tuple[str, ...]
    width: int
    total: bool  # whether the sum of the losses has a column


LAYOUTS = {
    "7.0": Layout(("Epoch", "GPU_mem", "box_loss", "obj_loss", "cls_loss", "Instances", "Size"), 11, total=False),
    "6.0": Layout(("Epoch", "gpu_mem", "box", "obj", "cls", "labels", "img_size"), 10, total=False),
    "2020": Layout(("Epoch", "gpu_mem", "GIoU", "obj", "cls", "total", "targets", "img_size"), 10, total=True),
}
VALIDATION_HEADER = f"{'Class':>22}" + "".join(
    f"{name:>11}" for name in ("Images", "Instances", "P", "R", "mAP50", "mAP50-95")
)


class Console:
    """Prints what people want to see of a run."""

    delivery: ClassVar[Delivery] = Delivery.INLINE

    def __init__(self, layout: str = "7.0", *, quiet: bool = False, out: TextIO | None = None) -> None:
        self.layout = LAYOUTS[layout]
        self.quiet = quiet
        self.out = out or sys.stdout
        self.live = self.out.isatty()
        self._shown_at = 0.0
        self._open = ""  # the unfinished line on a terminal
        self._last: StepLogged | None = None
        self._began = time.monotonic()
        self._first_epoch = 0

    def handle(self, event: Event) -> None:
        """Print what belongs to an event."""
        match event:
            case RunStarted():
                self._began, self._first_epoch = time.monotonic(), event.first_epoch
                self._lines(event.lines)
            case EpochStarted() if not self.quiet:
                self._header(event)
            case StepLogged() if not self.quiet:
                self._step(event)
            case Validated() if not self.quiet:
                self._validated(event)
            case EpochEnded() if self.quiet or not self.live:
                self._epoch_line(event)
            case Warned():
                self._line(f"warning: {event.text}")
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
        self._finish_line()

    # -- lines

    def _line(self, text: str) -> None:
        self._finish_line()
        say(text, self.out)  # names of files and classes are in it
        self.out.flush()

    def _lines(self, lines: tuple[str, ...]) -> None:
        for line in lines:
            self._line(line)

    def _finish_line(self) -> None:
        if self._open:
            say("", self.out)
            self._open = ""

    # -- training

    def _header(self, event: EpochStarted) -> None:
        self._last = None
        if self.live or event.epoch == self._first_epoch:
            self._line("")
            self._line("".join(f"{name:>{self.layout.width}}" for name in self.layout.names))

    def _step(self, event: StepLogged) -> None:
        self._last = event
        done = event.batch + 1 == event.batches
        now = time.monotonic()
        if not self.live or not (done or now - self._shown_at > REFRESH_S):
            return
        self._shown_at = now
        text = (
            f"{self._columns(event)}  "
            f"{_bar(event.batch + 1, event.batches)} "
            f"{_clock(event.elapsed_s)}<{_clock(_left(event))}"
        )
        say(f"{text}{' ' * max(len(self._open) - len(text), 0)}", self.out, over=True, open_end=True)
        self._open = text
        if done:
            self._finish_line()

    def _columns(self, event: StepLogged) -> str:
        width = self.layout.width
        losses = [*event.losses, sum(event.losses)] if self.layout.total else list(event.losses)
        cells = [
            f"{event.epoch}/{event.epochs - 1}",
            f"{event.memory / 1e9:.3g}G",
            *(f"{loss:.4g}" for loss in losses),
            str(event.objects),
            str(event.width),
        ]
        return "".join(f"{cell:>{width}}" for cell in cells)

    def _epoch_line(self, event: EpochEnded) -> None:
        """Everything about an epoch in one line, for logs."""
        results = event.results
        parts = (
            [self._columns(self._last)]
            if self._last is not None and not self.quiet
            else [f"epoch {event.epoch}/{event.epochs - 1}"]
        )
        if results.get("metrics/mAP_0.5") is not None:
            parts.append(f"mAP50 {results['metrics/mAP_0.5']:.4g}  mAP50-95 {results['metrics/mAP_0.5:0.95']:.4g}")
        done = event.epoch - self._first_epoch + 1
        left = (time.monotonic() - self._began) / done * (event.epochs - event.epoch - 1)
        parts.append(f"{event.seconds:.1f} s, {_clock(left)} left")
        self._line("  ".join(parts))

    # -- validation

    def _validated(self, event: Validated) -> None:
        if self.live or event.show_classes:
            notes = footnotes(event)
            self._lines((*validation_lines(event), *(notes if event.epoch is None else notes[:1])))


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
        """Take note of the state."""
        now, live = time.monotonic(), self.out.isatty()
        if now - self._began < PATIENCE_S or (self._told and not live):
            return
        if not live:
            say(f"{self.title}: {total} ...", self.out)
        elif now - self._shown_at > REFRESH_S or done == total:
            self._shown_at = now
            say(f"{self.title}: {done} of {total}", self.out, over=True, open_end=done != total)
        self._told = True


def validation_lines(event: Validated) -> list[str]:
    """The table of a validation: a header, all classes together, and each class when asked."""
    whole = _validation_row(
        "all", event.images, event.labels, event.precision, event.recall, event.map50, event.map50_95
    )
    return [VALIDATION_HEADER, whole, *([_class_row(found) for found in event.classes] if event.show_classes else [])]


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


def _class_row(found: ClassResult) -> str:
    return _validation_row(
        printable(found.name), found.images, found.labels, found.precision, found.recall, found.map50, found.map50_95
    )


def _validation_row(name: str, images: int, labels: int, *values: float) -> str:
    return f"{name[:22]:>22}{images:>11}{labels:>11}" + "".join(f"{value:>11.3g}" for value in values)


def _bar(done: int, total: int) -> str:
    filled = BAR_CELLS * done // max(total, 1)
    return f"{done / max(total, 1):>4.0%}|{'#' * filled}{' ' * (BAR_CELLS - filled)}| {done}/{total}"


def _left(event: StepLogged) -> float:
    done = event.batch + 1
    return event.elapsed_s / done * (event.batches - done)


def _clock(seconds: float) -> str:
    minutes, second = divmod(round(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"
