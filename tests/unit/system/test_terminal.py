# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from boxwright.structures.answer import table
from boxwright.system.terminal import say, say_json, writable
from boxwright.track.events import EpochStarted, StepLogged, Told
from boxwright.track.sinks.console import Console, Progress
from tests.support.processes import environment
from tests.support.terminals import Shown

STEERING = (
    "\x1b[2J",
    "\x07",
    "\x7f",
    "\x9b31m",
    "\u202e",
    "\u2066",
    "\u200b",
    "\u2028",
    "\x85",
    "\r",
    "\n",
    "\ud800",
    "\ufeff",
    "\x00",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("odd", STEERING, ids=ascii)
def test_a_line_stays_one_line_of_visible_letters(odd):
    out = io.StringIO()
    say(f"a{odd}b", out)
    assert out.getvalue().endswith("b\n")
    assert out.getvalue()[:-1].isprintable()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_an_encoding_lacks_becomes_an_escape(encoding):
    shown = writable("é Ж 図 \U0001f600", encoding)
    assert shown.encode(encoding).decode(encoding) == shown
    assert (shown == "é Ж 図 \U0001f600") == (encoding == "utf-8")


def test_a_document_stays_json_and_shows_nothing_but_visible_ascii(capsys):
    document = {"".join(STEERING): ["".join(STEERING), "é"]}
    say_json(document)
    printed = capsys.readouterr().out
    assert json.loads(printed) == document
    assert all(line.isprintable() and line.isascii() for line in printed.splitlines())


def test_columns_are_as_wide_as_what_is_printed():
    lines = table([("a\x1b", 1), ("b\nc", 20)], ("na\u202eme", "number"))
    assert lines == [r"na\u202eme  number", r"a\x1b            1", r"b\nc            20"]


def test_a_line_that_moves_holds_the_name_of_a_file_as_escapes():
    out = Terminal()
    progress = Progress("reading a\x1b[1A\nb", out)
    progress._began -= 60
    progress(1, 1)
    assert Shown.of(out.getvalue(), 80).text[0].startswith("reading a\\x1b[1A\\nb: 1 of 1 ")


def test_the_bar_is_the_only_thing_that_moves_a_cursor():
    out = Terminal()
    console = Console(out=out)
    for event in (EpochStarted(0, 1, 2), StepLogged(0, 1, 0, 2, (0.1, 0.2, 0.3), 1, 64, 0, 0.1), Told("a\rb\x1b[2K")):
        console.handle(event)
    console.close()
    assert out.getvalue().count("\r") == 2, "drawn, and cleared for the line that follows"
    assert "a\\rb\\x1b[2K\n" in out.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--help"],
        ["x\x1b\u202e é"],
        ["val", "--x\x1b\u00e9\n"],
        ["model", "check", "é\x1b"],
        ["recipes", "é", "\x1b"],
    ],
    ids=ascii,
)
def test_the_words_of_a_command_line_come_back_visible_in_any_encoding(words):
    said = subprocess.run(
        [sys.executable, "-m", "boxwright", *words],
        capture_output=True,
        check=False,
        env={**environment(), "PYTHONIOENCODING": "ascii:strict"},
    )
    printed = said.stdout + said.stderr
    assert printed
    assert all(32 <= letter < 127 or letter == 10 for letter in printed)
    assert b"our fault" not in printed
    assert b"Traceback" not in printed
