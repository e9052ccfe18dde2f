# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
from dataclasses import replace

import pytest

from boxwright.track.events import (
    ClassResult,
    EpochEnded,
    EpochStarted,
    RunEnded,
    RunStarted,
    StepLogged,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.console import Console, Progress
from boxwright.track.sinks.epoch_row import LAYOUTS
from boxwright.track.sinks.event_log import lines_of
from tests.support.terminals import Shown

STEP = StepLogged(
    epoch=4,
    epochs=10,
    batch=0,
    batches=4,
    losses=(0.12345, 1.5, 0.01),
    objects=37,
    width=640,
    memory=2_500_000_000,
    elapsed_s=30.0,
)
STARTED = RunStarted("runs/exp", ("boxwright: here we go",), first_epoch=4, epochs=10)
VALIDATED = Validated(4, 20, 50, 0.5, 0.25, 0.75, 0.375, 0.4, (ClassResult("cat", 9, 30, 0.1, 0.2, 0.3, 0.4),), {})
ENDED = EpochEnded(4, 10, {"metrics/mAP_0.5": 0.75, "metrics/mAP_0.5:0.95": 0.375}, 0.4, 0.4, 4, 0.0, 12.34)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(*events, layout: str = "7.0", quiet: bool = False, live: bool = False) -> str:
    out = Terminal() if live else io.StringIO()
    console = Console(layout, quiet=quiet, out=out)
    for event in events:
        console.handle(event)
    console.close()
    return out.getvalue()


EPOCH = (STARTED, EpochStarted(4, 10, 4), STEP, replace(STEP, batch=3, elapsed_s=120.0), VALIDATED, ENDED)


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_era_has_its_columns_with_the_values_below_the_names(name):
    layout = LAYOUTS[name]
    header, row = shown(*EPOCH, layout=name).splitlines()[2:4]
    columns = {
        header[i : i + layout.width].strip(): row[i : i + layout.width].strip()
        for i in range(0, len(layout.names) * layout.width, layout.width)
    }
    assert tuple(columns) == layout.names
    assert len(header) == {"7.0": 77, "6.0": 70, "2020": 80}[name]
    values = list(columns.values())
    assert values[:5] == ["4/9", "2.5G", "0.1235", "1.5", "0.01"]
    assert values[5:] == (["1.633", "37", "640"] if name == "2020" else ["37", "640"])


def test_without_a_terminal_an_epoch_is_one_line_with_its_result_and_the_time_left():
    out = shown(*EPOCH)
    assert "\r" not in out
    lines = out.splitlines()
    assert len(lines) == 4  # the opening line, a blank, the header, the epoch
    assert "mAP50 0.75  mAP50-95 0.375  12.3 s, " in lines[-1]
    assert lines[-1].endswith(" left")
    again = shown(*EPOCH, EpochStarted(5, 10, 4), replace(STEP, epoch=5), replace(ENDED, epoch=5))
    assert again.count("GPU_mem") == 1


def test_on_a_terminal_the_line_moves_and_the_header_comes_back():
    out = shown(*EPOCH, EpochStarted(5, 10, 4), live=True)
    assert out.count("GPU_mem") == 2
    first, last = (part for part in out.split("\r") if "4/9" in part)
    assert first.split()[-3:] == ["25%", "1/4", "01:30\x1b[K"]
    assert last.startswith("   4/9    2.5G")
    assert last.split("\n")[0].split()[-3:] == ["100%", "4/4", "00:00\x1b[K"]


def test_the_final_table_shows_every_class_wherever_it_is_printed():
    for live in (False, True):
        out = shown(replace(VALIDATED, show_classes=True), live=live)
        assert Shown.of(out, 200).text[-3].split() == ["cat", "9", "30", "0.1", "0.2", "0.3", "0.4"]
    assert not shown(VALIDATED)


def test_precision_and_recall_are_never_printed_without_what_they_are_read_at():
    for event in (VALIDATED, replace(VALIDATED, show_classes=True), replace(VALIDATED, epoch=None)):
        lines = shown(event, live=True).splitlines()
        assert "P and R at confidence 0.400 (highest mean F1) and IoU 0.50" in lines, event


def test_quiet_keeps_beginning_epochs_warnings_and_end():
    out = shown(
        *EPOCH,
        Told("a line for the curious"),
        Warned("look here"),
        RunEnded("done", 10, 0.1, 9, 0.5, "runs/exp", ("10 epochs done",)),
        quiet=True,
    )
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        "boxwright: here we go",
        "epoch 5 of 10",
        "warning: look here",
        "10 epochs done",
    ]


def test_text_from_files_cannot_steer_the_terminal():
    nasty = "a\x1b[2Jb\nc"
    classes = (replace(VALIDATED.classes[0], name=nasty),)
    out = shown(
        Warned(nasty),
        Told(nasty),
        replace(STARTED, lines=(nasty,)),
        replace(VALIDATED, classes=classes, show_classes=True),
    )
    assert "\x1b" not in out
    assert out.count(r"a\x1b[2Jb\nc") == 4
    assert len(out.splitlines()) == 7


def test_the_walls_of_settings_are_for_logs_and_not_for_terminals():
    started = replace(STARTED, lines=("boxwright: here", "settings: a=1", "data: there"), details=("settings: a=1",))
    assert shown(started) == "boxwright: here\nsettings: a=1\ndata: there\n"
    assert shown(started, live=True) == "boxwright: here\ndata: there\n"
    assert lines_of(started, "") == started.lines


def test_preparations_that_are_quick_say_nothing():
    out = io.StringIO()
    progress = Progress("reading", out)
    progress(1, 10)
    assert not out.getvalue()
    progress._began -= 5  # seconds ago
    progress(2, 10)
    progress(3, 10)
    assert out.getvalue() == "reading: 10 ...\n"


def test_long_preparations_count_on_a_terminal():
    out = Terminal()
    progress = Progress("reading", out)
    progress._began -= 5
    progress._shown_at -= 5
    progress(2, 10)
    progress(10, 10)
    first, last = out.getvalue().split("\r")[1:]
    assert first.startswith("reading: 2 of 10 ")
    assert Shown.of(out.getvalue(), 80).text == [last.split("\x1b")[0] + "━" * 40 + "  00:00", ""]
