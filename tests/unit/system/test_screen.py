# SPDX-License-Identifier: Apache-2.0
"""What people see on terminals of every width, in colour and without, and on those whose cursor does not move."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace

import pytest

from boxwright.structures.answer import table
from boxwright.system.screen import Screen
from boxwright.system.terminal import say, say_json, wrapped
from boxwright.track.events import (
    ClassResult,
    EpochEnded,
    EpochStarted,
    RunStarted,
    StepLogged,
    Told,
    Validated,
    Warned,
)
from boxwright.track.sinks.console import Console, Progress
from boxwright.track.sinks.epoch_row import LAYOUTS
from tests.support.processes import environment
from tests.support.terminals import PseudoTerminal, Shown, run_in

WIDTHS = (60, 80, 120, 300)
BATCHES, EPOCHS = 2000, 1000
STEP = StepLogged(4, EPOCHS, 0, BATCHES, (0.12345, 1.5, 1.234e-05), 12345, 1280, 79_600_000_000, 30.0)
NAMES = ("cat", "a very long name of a class that goes on for more than sixty letters", "図" * 40, "a\x1b[2J\u202eb")
TERMINALS = {"colour": {}, "no colour": {"NO_COLOR": "1"}, "dumb": {"TERM": "dumb"}, "unnamed": {"TERM": ""}}


@pytest.fixture(params=TERMINALS)
def kind(request, monkeypatch) -> str:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for key, value in ({"TERM": "xterm-256color", "COLUMNS": "33"} | TERMINALS[request.param]).items():
        monkeypatch.setenv(key, value)
    return request.param


def validated(classes: int) -> Validated:
    found = tuple(
        ClassResult(f"{NAMES[i % 4]} {i}", 118_287, 860_001, 0.1, 0.000234, 1.23e-05, 0.4) for i in range(classes)
    )
    return Validated(4, 118_287, 860_001, 0.5, 0.25, 0.75, 0.375, 0.4, found, {}, show_classes=True)


def epoch(console: Console, classes: int) -> None:
    """An epoch in many refreshes, with a warning in the midst of it, and its validation."""
    console.handle(EpochStarted(4, EPOCHS, BATCHES))
    for batch in (*range(0, BATCHES, 100), BATCHES - 1):
        console._shown_at = 0.0  # long ago
        console.handle(replace(STEP, batch=batch, elapsed_s=45.0 * batch))
        if batch == 500:
            console.handle(Warned("a sentence with a name in it: " + "word " * 20 + NAMES[3]))
    console.handle(validated(classes))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("columns", WIDTHS)
def test_after_an_epoch_there_is_one_line_of_it_and_none_is_wider_than_the_terminal(kind, columns, layout):
    with PseudoTerminal(columns) as terminal:
        epoch(Console(layout, out=terminal.out), classes=3)
    shown = Shown.of(terminal.written, columns)
    assert not shown.wrapped
    rows = [line.split() for line in shown.text if line.lstrip().startswith("4/999")]
    assert len(rows) == 1
    assert {"0.1235", "1.5", "1.234e-05", "1280"} <= set(rows[0]), "losses and size stay in every width"
    assert rows[0][-1].endswith("00:00"), "and so does the time left"
    assert ("79.6G" in rows[0]) == (columns > 60)
    assert len([line for line in shown.text if line.split()[:1] == ["Epoch"]]) == 1
    assert shown.coloured == (kind == "colour")


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("columns", [*WIDTHS, 61, 67, 73, 79, 88, 97, 105, 131])
def test_names_stand_above_their_values_and_a_table_of_eighty_classes_fits(columns):
    with PseudoTerminal(columns) as terminal:
        epoch(Console(out=terminal.out), classes=80)
    lines = Shown.of(terminal.written, columns).text
    header = next(line for line in lines if line.split()[:1] == ["Epoch"])
    row = next(line for line in lines if line.lstrip().startswith("4/999"))
    for name in header.split():
        end = header.index(name) + len(name)
        assert row[end - 1] != " ", name
        assert row[end : end + 1] in {" ", ""}, name
    heads = [line for line in lines if line.split()[:1] == ["Class"]]
    assert len(heads) == 1, "one table, not one in parts"
    assert heads[0].split()[-1] == "mAP50-95"
    assert len([line for line in lines if line.endswith("0.4")]) == 80
    assert ("Images" in heads[0]) == (columns > 67)
    assert sum("cat " in line for line in lines) == 20, "a short name is whole"


@pytest.mark.usefixtures("kind")
def test_a_long_name_is_shortened_in_the_middle_and_measured_in_columns():
    with PseudoTerminal(80) as terminal:
        screen = Screen(terminal.out)
        assert screen.shortened("abcdefghij", 10) == "abcdefghij"
        assert screen.shortened("abcdefghijk", 10) == "abcde…hijk"
        assert screen.shortened("図" * 10, 10) == "図図…図図"
        assert screen.shortened("a\x1bb", 10) == r"a\x1bb"
    with PseudoTerminal(80, "ascii") as terminal:
        assert Screen(terminal.out).shortened("abcdefghijk", 10) == "abcd..hijk"


@pytest.mark.usefixtures("kind")
def test_a_terminal_of_another_encoding_gets_letters_that_it_has():
    with PseudoTerminal(100, "ascii") as terminal:
        epoch(Console(out=terminal.out), classes=4)
    assert not Shown.of(terminal.written, 100).wrapped


@pytest.mark.usefixtures("kind")
def test_a_window_that_becomes_narrower_is_noticed_at_once():
    with PseudoTerminal(120) as terminal:
        console = Console(out=terminal.out)
        terminal.resize(60)
        epoch(console, classes=3)
    assert not Shown.of(terminal.written, 60).wrapped


@pytest.mark.usefixtures("kind")
def test_a_terminal_that_does_not_say_its_width_has_that_of_the_environment(monkeypatch):
    for told, columns in (("70", 70), ("", 80), ("x", 80)):
        monkeypatch.setenv("COLUMNS", told)
        with PseudoTerminal(0) as terminal:
            assert Screen(terminal.out).width == columns


def test_an_interrupted_epoch_keeps_its_line_and_what_follows_stands_below_it(kind):
    with PseudoTerminal(80) as terminal:
        console = Console(out=terminal.out)
        console.handle(EpochStarted(4, EPOCHS, BATCHES))
        console.handle(STEP)
        console.close()
        say("stopped", terminal.out)
    lines = Shown.of(terminal.written, 80).text
    assert lines[-2:] == ["stopped", ""]
    assert any("4/999" in line for line in lines) == (kind in {"colour", "no colour"})


def test_an_error_takes_the_place_of_a_preparation_that_it_ended(kind):
    with PseudoTerminal(80) as terminal:
        progress = Progress("reading " + "a long name " * 20, terminal.out)
        progress._began -= 60
        for done in (1, 2, 3):
            progress._shown_at = 0.0
            progress(done, 10)
        Screen(terminal.out).say_marked("error", "data.yaml: is broken. Mend it")
    shown = Shown.of(terminal.written, 80)
    assert not shown.wrapped or kind in {"dumb", "unnamed"}
    assert shown.text[-2:] == ["error: data.yaml: is broken. Mend it", ""]
    if kind in {"colour", "no colour"}:
        assert len(shown.text) == 2


@pytest.mark.parametrize("columns", WIDTHS)
def test_a_preparation_of_unknown_length_is_one_line(kind, columns):
    with PseudoTerminal(columns) as terminal:
        progress = Progress("fetching https://example.org/" + "data/" * 20, terminal.out)
        progress._began -= 60
        for done in range(0, 100_000_000, 10_000_000):
            progress._shown_at = 0.0
            progress(done, 0)
        say("done", terminal.out)
    shown = Shown.of(terminal.written, columns)
    assert shown.text[-2:] == ["done", ""]
    if kind in {"colour", "no colour"}:
        assert shown.text == ["done", ""]


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("columns", WIDTHS)
def test_no_word_of_a_table_is_lost_and_no_line_wrapped(columns):
    rows = [
        (f"row_{i}", i, "some words in a cell that may be folded " * 3, *(i * 1000 + k for k in range(30)))
        for i in range(5)
    ]
    made = table(rows, ("name", "number", "words", *(f"class_{k}" for k in range(30))))[0].table
    with PseudoTerminal(columns) as terminal:
        Screen(terminal.out).table(made.rows, made.right, header=True)
    shown = Shown.of(terminal.written, columns)
    assert not shown.wrapped
    words = " ".join(shown.text).split()
    assert {f"class_{k}" for k in range(30)} <= set(words)
    assert {str(i * 1000 + k) for i in range(5) for k in range(30)} <= set(words)
    assert words.count("folded") == 5 * 3


@pytest.mark.usefixtures("kind")
def test_a_table_with_room_looks_as_it_does_without_a_terminal():
    lines = table([("a\x1b", 1, "x"), ("b[red]c", 20, "y z")], ("name", "number", "what"))
    with PseudoTerminal(80) as terminal:
        Screen(terminal.out).table(lines[0].table.rows, lines[0].table.right, header=True)
    assert Shown.of(terminal.written, 80).text == [*lines, ""]


@pytest.mark.usefixtures("kind")
def test_tables_among_the_lines_of_a_run_are_drawn_and_copied_as_text():
    lines = ("first", *table([("a" * 60, 1, "word " * 10)], ("name", "number", "words")), "last")
    started = RunStarted("x", lines, 0, 1)
    with PseudoTerminal(60) as terminal:
        Console(out=terminal.out).handle(started)
    shown = Shown.of(terminal.written, 60)
    assert not shown.wrapped
    assert (shown.text[0], shown.text[-2]) == ("first", "last")
    assert " ".join(shown.text).count("word") == 11
    copied = started.record()["lines"]
    assert copied == lines
    assert {type(line) for line in (*copied, copy.copy(lines[1]), copy.deepcopy(lines[1]))} == {str}


@pytest.mark.parametrize(
    "text",
    ["[red]x[/red]", ":smile: 1.5 'a' /b", "[link=http://x]y[/link]", r"\[x]", "\x1b]8;;x\x07", "\t\x00\u202e"],
    ids=ascii,
)
def test_no_text_is_markup_or_a_code(kind, text):
    with PseudoTerminal(120) as terminal:
        screen = Screen(terminal.out)
        screen.table([(text, "1")], (False, True), header=False)
        screen.say_marked("warning", text)
        screen.say(screen.text(text))
        console = Console(out=terminal.out)
        for event in (RunStarted("x", (text,), 0, 1), Told(text), Warned(text)):
            console.handle(event)
    clear = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    shown = Shown.of(terminal.written, 120)
    assert [clear in line for line in shown.text[:-1]] == [True] * 6
    if kind == "colour":
        assert terminal.written.count("\x1b[") == 4, "those around the two warnings"


def test_lines_are_wrapped_between_words_below_their_second_column_and_paths_stay_whole():
    assert wrapped("one two three", 8) == ["one two", "  three"]
    assert wrapped("  name    one two three", 20) == ["  name    one two", "          three"]
    assert wrapped("at /a/path/that/is/long now", 12) == ["at", "  /a/path/that/is/long", "  now"]
    assert wrapped("図図 図図 図図", 10) == ["図図 図図", "  図図"]
    assert wrapped("", 8) == [""]


@pytest.mark.usefixtures("kind")
def test_a_document_is_never_wrapped():
    with PseudoTerminal(60) as terminal:
        console, sys.stdout = sys.stdout, terminal.out
        try:
            say_json({"key": "word " * 40})
        finally:
            sys.stdout = console
    assert terminal.written.count("\n") == 3


@pytest.mark.parametrize("columns", [60, 120])
@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_the_program_fits_its_tables_and_errors_to_the_terminal(columns, variables):
    for words, code in ((("recipes", "7.0", "--diff", "2020.7"), 0), (("recipes", "--oops"), 2)):
        said, written = run_in(columns, *words, **variables)
        shown = Shown.of(written, columns)
        assert not shown.wrapped
        assert said == code, shown.text
        assert shown.coloured == (not variables)


def test_help_and_a_pipe_load_nothing_that_draws():
    asked = (
        "import sys; from boxwright.cli import main; code = main(sys.argv[1:]); "
        "assert not [name for name in sys.modules if name.split('.')[0] == 'rich'], code"
    )
    for words in (["--help"], ["data", "--help"], ["train", "--help"], ["recipes"]):
        said = subprocess.run(
            [sys.executable, "-c", asked, *words], capture_output=True, check=False, env=environment()
        )
        assert said.returncode == 0, said.stderr


def test_without_a_terminal_an_epoch_has_no_code_and_the_columns_it_always_had(tmp_path):
    path = tmp_path / "log"
    with path.open("w", encoding="utf-8") as out:
        console = Console(out=out)
        console.handle(RunStarted("x", (), 4, EPOCHS))
        epoch(console, classes=1)
        console.handle(EpochEnded(4, EPOCHS, {}, None, 0.0, -1, 0.0, 2.0))
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "warning" not in line]
    assert lines[1] == "      Epoch    GPU_mem   box_loss   obj_loss   cls_loss  Instances       Size"
    assert lines[2] == "                 Class     Images  Instances          P          R      mAP50   mAP50-95"
    assert lines[4] == "                 cat 0     118287     860001        0.1   0.000234   1.23e-05        0.4"
    assert lines[6].startswith("      4/999      79.6G     0.1235        1.5  1.234e-05      12345       1280  2.0 s, ")
