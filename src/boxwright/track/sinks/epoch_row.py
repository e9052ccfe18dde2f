# SPDX-License-Identifier: Apache-2.0
"""The line of an epoch on a terminal, and that of a long preparation, in whatever columns there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.progress_bar import ProgressBar
from rich.table import Table

from boxwright.system.screen import Screen
from boxwright.track.events import EpochStarted, StepLogged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    Cell = tuple[RenderableType, int | None]  # and how many columns it has; None = its own

SHORTEST_BAR = 10
LONGEST_BAR = 40
LOSS_CELLS = 9  # of -1.234e-05 all but the sign, which no loss has
CLOCK_CELLS = 8  # of 12:34:56


class Layout(NamedTuple):
    """Columns of the training lines of one era."""

    names: tuple[str, ...]
    width: int
    total: bool  # whether the sum of the losses has a column

    def cells(self, event: StepLogged) -> list[str]:
        """What stands below the names."""
        losses = [*event.losses, sum(event.losses)] if self.total else list(event.losses)
        return [
            f"{event.epoch}/{event.epochs - 1}",
            f"{event.memory / 1e9:.3g}G",
            *(f"{loss:.4g}" for loss in losses),
            str(event.objects),
            str(event.width),
        ]


LAYOUTS = {
    "7.0": Layout(("Epoch", "GPU_mem", "box_loss", "obj_loss", "cls_loss", "Instances", "Size"), 11, total=False),
    "6.0": Layout(("Epoch", "gpu_mem", "box", "obj", "cls", "labels", "img_size"), 10, total=False),
    "2020": Layout(("Epoch", "gpu_mem", "GIoU", "obj", "cls", "total", "targets", "img_size"), 10, total=True),
}


class _Plan(NamedTuple):
    """What is shown in so many columns: widths by the place of a name in the layout, and what stands to the right."""

    widths: dict[int, int]
    percent: bool
    elapsed: bool
    counts: bool
    bar: int


class EpochRow:
    """The line of an epoch, drawn again with every batch, and the names above it.

    Where columns are few the bar goes first, then the count of batches, the time so far, the sum of the losses, the
    number of objects, the memory and the percentage; epoch, losses, size and the time left stay.
    """

    def __init__(self, screen: Screen, layout: Layout) -> None:
        self.screen, self.layout = screen, layout

    def header(self, event: EpochStarted) -> Table:
        """The names of the columns."""
        plan = self._plan(event.epochs, event.batches)
        return _grid(self._below(plan, self.layout.names, "bold"))

    def row(self, event: StepLogged) -> Table:
        """Where an epoch stands."""
        plan = self._plan(event.epochs, event.batches)
        cells = self._below(plan, self.layout.cells(event), "")
        done, left = event.batch + 1, clock(_left(event))
        if plan.percent:
            cells.append((self.screen.text(f"  {done / max(event.batches, 1):>4.0%}"), None))
        if plan.bar:
            cells += [(self.screen.text(" "), None), (bar(done, event.batches), plan.bar)]
        if plan.counts:
            cells.append((self.screen.text(f" {done}/{event.batches}"), None))
        cells.append((self.screen.text(f" {clock(event.elapsed_s)}<{left}" if plan.elapsed else f"  {left}"), None))
        return _grid(cells)

    def _below(self, plan: _Plan, words: Sequence[str], style: str) -> list[Cell]:
        """The words that there is room for, to the right of their columns."""
        return [
            (self.screen.text(f"{self.screen.shortened(words[i], wide - 1):>{wide}}", style), wide)
            for i, wide in plan.widths.items()
        ]

    def _plan(self, epochs: int, batches: int) -> _Plan:
        """What fits in what the terminal has now, less the last column, in which a cursor may go to the next line."""
        names, losses = self.layout.names, 4 if self.layout.total else 3
        size, objects, total = len(names) - 1, len(names) - 2, len(names) - 3
        least = {i: len(name) + 1 for i, name in enumerate(names)}
        least |= {0: max(2 * len(str(epochs)) + 2, len(names[0]) + 1)}
        least |= {i: max(LOSS_CELLS + 1, least[i]) for i in range(2, 2 + losses)}
        room = self.screen.width - 1 - CLOCK_CELLS - 2
        kept = {0, 2, 3, 4, size}
        room -= sum(least[i] for i in kept)
        percent, room = _taken(room, len("  100%"))
        for place in (1, objects, *([total] if self.layout.total else [])):
            fits, room = _taken(room, least[place])
            kept |= {place} if fits else set()
        elapsed, room = _taken(room, CLOCK_CELLS)
        counts, room = _taken(room, 2 * len(str(batches)) + 2)
        widths = {i: least[i] for i in sorted(kept)}
        for i, wide in widths.items():  # as wide as where there is no terminal
            more = min(max(self.layout.width - wide, 0), max(room, 0))
            widths[i], room = wide + more, room - more
        return _Plan(widths, percent, elapsed, counts, min(room - 1, LONGEST_BAR) if room > SHORTEST_BAR else 0)


def _taken(room: int, wide: int) -> tuple[bool, int]:
    """Whether there is room for so many columns, and what is left."""
    return (True, room - wide) if wide <= room else (False, room)


def _grid(cells: Sequence[Cell]) -> Table:
    """Cells side by side on one line."""
    grid = Table.grid(padding=0)
    for _, wide in cells:
        grid.add_column(width=wide, no_wrap=True)
    grid.add_row(*(cell for cell, _ in cells))
    return grid


def bar(done: int, total: int) -> ProgressBar:
    """How much is done."""
    return ProgressBar(max(total, 1), done, style="dim", complete_style="cyan", finished_style="green")


def preparation(screen: Screen, title: str, done: int, total: int, elapsed_s: float) -> Table:
    """The line of a long preparation. `total` 0: nobody knows."""
    counts = f": {done} of {total}" if total else f": {done}"
    left = f"  {clock(elapsed_s / max(done, 1) * (total - done))}" if total else ""
    room = screen.width - 1 - len(counts) - len(left)
    head = screen.shortened(title, max(room, 0))
    cells: list[Cell] = [(screen.text(head), None), (screen.text(counts), None)]
    spare = room - cell_len(head) - 1
    if total and spare >= SHORTEST_BAR:
        cells += [(screen.text(" "), None), (bar(done, total), min(spare, LONGEST_BAR))]
    return _grid([*cells, (screen.text(left), None)])


def clock(seconds: float) -> str:
    """As 12:34:56, or 34:56."""
    minutes, second = divmod(round(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


def _left(event: StepLogged) -> float:
    done = event.batch + 1
    return event.elapsed_s / done * (event.batches - done)
