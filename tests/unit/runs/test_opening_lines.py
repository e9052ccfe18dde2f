# SPDX-License-Identifier: Apache-2.0
"""What is read before the first epoch: on a terminal what matters, in a log every setting as well."""

from __future__ import annotations

import io

import pytest

from boxwright.config.assemble import resolve_train
from boxwright.runs.build import machines_of
from boxwright.runs.opening_lines import Opening, opening_lines
from boxwright.runs.plan import plan_of
from boxwright.system.run_folder import RunFolder
from boxwright.track.events import RunStarted
from boxwright.track.sinks.console import Console
from boxwright.track.sinks.event_log import lines_of
from tests.support.runs import Ground
from tests.support.terminals import PseudoTerminal, Shown

MATTERS = ("data: ", "network: ", "optimizer: ", "image sizes: ", "steps: ", "logging to ", " on cpu, ")


@pytest.fixture(scope="module")
def opening(tmp_path_factory):
    """The lines of a plan; of one without a folder too."""
    ground = Ground.laid(tmp_path_factory.mktemp("ground"))
    usual = {"data": str(ground.data), "cfg": str(ground.cfg), "imgsz": (64,), "batch_size": 4, "device": "cpu"}
    plan, more = plan_of(resolve_train({**usual, "epochs": 3, "workers": 1}), None), []
    machines = machines_of(plan, 3, more.append, more.append)

    def opening(folder: str | None) -> Opening:
        return opening_lines(plan, None if folder is None else RunFolder(folder), machines, more)

    return opening


def started(opening: Opening) -> RunStarted:
    return RunStarted("runs/exp", opening.lines, 0, 3, {}, opening.details)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_a_terminal_shows_what_matters_in_about_ten_lines_and_no_wall_of_settings(opening, columns, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    with PseudoTerminal(columns) as terminal:
        Console(out=terminal.out).handle(started(opening("runs/exp")))
        terminal.out.flush()
    shown = Shown.of(terminal.written, columns)
    longest = max(len(word) for line in opening("runs/exp").lines for word in line.split())
    assert not shown.wrapped or longest > columns  # the place of the data, which is one word
    words = "\n".join(shown.text)
    assert all(word.replace(" ", "") in "".join(words.split()) for word in MATTERS)
    assert "warmup_bias_lr" not in words
    assert len([line for line in shown.text if line and not line.startswith(" ")]) <= 11


def test_a_log_and_a_pipe_hold_every_setting_as_well(opening):
    begun, out = started(opening("runs/exp")), io.StringIO()
    Console(out=out).handle(begun)
    assert "hyperparameters: " in out.getvalue()
    assert "settings: " in out.getvalue()
    assert tuple(out.getvalue().splitlines()) == lines_of(begun, "")


def test_without_a_folder_no_setting_is_hidden_since_no_file_has_it(opening):
    assert not opening(None).details


def test_what_there_is_one_of_is_in_the_singular(opening):
    words = "\n".join(opening("runs/exp").lines)
    assert "1 loader thread," in words
    assert "training for 3 epochs of 3 batches of 4 images, 9 in all" in words
