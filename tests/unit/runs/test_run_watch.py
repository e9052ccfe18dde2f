# SPDX-License-Identifier: Apache-2.0
"""A run is followed from outside: what its console shows, how it stands, how it ended, and nothing is written."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from boxwright.errors import DataError, SettingError
from boxwright.runs import run_watch
from boxwright.runs.run_watch import look, watch
from boxwright.system.claim import CLAIM, Owner, claimed
from boxwright.system.run_folder import RunFile
from boxwright.track.events import (
    Ended,
    EpochEnded,
    EpochStarted,
    Event,
    RunEnded,
    RunStarted,
    StepLogged,
    StreamStarted,
    Validated,
    Warned,
)
from boxwright.track.sinks.console import Console
from boxwright.track.sinks.event_log import EventLog
from boxwright.track.sinks.event_stream import EventStream
from boxwright.track.sinks.json_lines import mend
from tests.support.commands import command, contents

EPOCHS = 3
RUN = Path("exp")
LOG = RUN / RunFile.EVENTS
STARTED = RunStarted(str(RUN), ("boxwright: here", "network: tiny"), 0, EPOCHS, {"console": "6.0"})
ENDED = RunEnded("done", EPOCHS, 0.1, 0, 0.5, str(RUN), ("3 epochs done",))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def step(epoch: int, batch: int = 3) -> StepLogged:
    return StepLogged(epoch, EPOCHS, batch, 4, (0.1, 0.2, 0.3), 7, 640, 0, 1.0 + batch)


def epoch(number: int) -> list[Event]:
    """The events of an epoch, in the order in which they are told."""
    results = {"metrics/mAP_0.5": 0.5, "metrics/mAP_0.5:0.95": 0.25 + number / 100}
    return [
        EpochStarted(number, EPOCHS, 4),
        *(step(number, batch) for batch in range(4)),
        Validated(number, 2, 3, 0.1, 0.2, 0.5, 0.25, 0.4, (), {}),
        EpochEnded(number, EPOCHS, results, 0.5, 0.5, 0, 0.0, 4.0),
    ]


def write(*events: Event, every: bool = False) -> None:
    """What a run writes down in one start of it."""
    sinks = [EventLog(LOG), *([EventStream(RUN / RunFile.ALL_EVENTS)] if every else [])]
    for event in events:
        for sink in sinks:
            sink.handle(event)


class Script:
    """What happens while somebody watches: one thing at each wait, and at the end he leaves."""

    def __init__(self, *things) -> None:
        self.things = list(things)

    def __call__(self, seconds: float) -> None:
        assert seconds >= 0.2, "it looks too often"
        if not self.things:
            raise KeyboardInterrupt
        thing = self.things.pop(0)
        thing()


@pytest.fixture(autouse=True)
def run_folder(monkeypatch):
    RUN.mkdir()
    for name, value in (("TERM", "xterm"), ("COLUMNS", "90")):
        monkeypatch.setenv(name, value)


def claim_of(**changes) -> None:
    """A claim as somebody else left it."""
    owner = replace(Owner.myself(), **changes)
    (RUN / CLAIM).write_text(json.dumps(asdict(owner)))


def dead() -> None:
    """The process of the run was killed."""
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    claim_of(pid=int(ended.stdout))


def is_done() -> None:
    """The run leaves its record, and its process the folder."""
    record = {"reason": "done", "epochs": 3, "hours": 0.1, "best_epoch": 0, "best_fitness": 0.5, "results": {}}
    (RUN / RunFile.DONE).write_text(json.dumps(record))
    (RUN / CLAIM).unlink()


def plain(text: str) -> str:
    """Without the times, which are those of this moment."""
    return re.sub(r"\d+:\d+ left", "", text)


def test_it_shows_what_the_console_of_the_run_shows_and_ends_with_it():
    events = [STARTED, Warned("careful"), *epoch(0), *epoch(1), *epoch(2), ENDED]
    console = io.StringIO()
    with claimed(RUN), contextlib.closing(Console("6.0", out=console)) as shown:
        for event in events:
            shown.handle(event)
        written = EventLog(LOG)
        parts = [lambda part=part: written.handle(part) for part in events]
        out = io.StringIO()
        found = watch(RUN, out, wait=Script(*parts, is_done))
    assert plain(out.getvalue()) == plain(console.getvalue())
    assert (found.stands, found.exit_code, found.sentence) == ("done", 0, "exp: done after 3 epochs of 3")


@pytest.mark.parametrize("every", [False, True])
def test_on_a_terminal_the_row_of_the_epoch_moves_where_the_run_writes_its_steps(every):
    with claimed(RUN):
        out = Terminal()
        begins, *steps, validated, ended = epoch(0)
        log = EventLog(LOG)
        stream = EventStream(RUN / RunFile.ALL_EVENTS)

        def tell(event: Event) -> None:
            log.handle(event)
            if every:
                stream.handle(event)

        parts = [lambda event=event: tell(event) for event in (STARTED, begins, *steps, validated, ended)]
        with pytest.raises(KeyboardInterrupt):
            watch(RUN, out, wait=Script(*parts))
    rows = [row for row in re.split(r"\r|\n", out.getvalue()) if "0/2" in row]
    shown = [batch for row in rows for batch in re.findall(r"([1-4])/4", row)]
    assert (shown[0], shown[-1], shown.count("4")) == ("1" if every else "4", "4", 1)  # quick steps are not all drawn
    assert out.getvalue().count("IoU 0.50") == 1
    assert "epoch 1 of 3: 00:0" in out.getvalue()
    assert "left of the run" in out.getvalue()
    assert out.getvalue().endswith("\n")


def test_of_a_long_run_that_goes_on_a_terminal_shows_the_last_epochs_and_a_pipe_all(monkeypatch):
    monkeypatch.setattr(run_watch, "SHOWN_EPOCHS", 2)
    write(STARTED, *epoch(0), *epoch(1), *epoch(2))
    with claimed(RUN):
        for out, epochs in ((Terminal(), [1, 2]), (io.StringIO(), [0, 1, 2])):
            with pytest.raises(KeyboardInterrupt):
                watch(RUN, out, wait=Script())
            assert [int(number) for number in re.findall(r"([0-2])/2 ", out.getvalue())] == epochs
            assert ("the last 2 epochs; all of them are in results.csv" in out.getvalue()) == out.isatty()


def test_a_run_that_is_killed_is_said_to_be_and_one_who_stays_sees_it_go_on():
    write(STARTED, *epoch(0))
    dead()
    found = watch(RUN, io.StringIO(), wait=Script())
    assert (found.stands, found.exit_code) == ("died", 75)
    assert found.sentence.startswith("exp: its process is gone without a word (process ")
    assert found.sentence.endswith(", after 1 epoch of 3; go on with: boxwright train --resume exp")

    def goes_on() -> None:
        claim_of()
        with LOG.open("ab") as file:
            file.write(b'{"event": "Tol')
        mend(LOG)
        write(Warned("one line was not whole"), replace(STARTED, first_epoch=1), *epoch(1), *epoch(2), ENDED)

    out = io.StringIO()
    waits = Script(lambda: None, goes_on, is_done)
    found = watch(RUN, out, until_done=True, wait=waits)
    assert (found.stands, found.exit_code, waits.things) == ("done", 0, [])
    assert out.getvalue().count("its process is gone") == 1
    assert re.findall(r"([0-2])/2 ", out.getvalue()) == ["0", "1", "2"]
    assert found.sentence == "exp: done after 3 epochs of 3"


@pytest.mark.parametrize(
    ("ended", "reason", "says"),
    [
        (Ended.STOPPED, "stopped by SIGTERM", "exp: stopped after 1 epoch of 3 (stopped by SIGTERM); go on with: "),
        (Ended.FAILED, "the disk is full", "exp: failed after 1 epoch of 3: the disk is full"),
    ],
)
def test_a_run_that_ended_early_says_why(ended, reason, says):
    write(STARTED, *epoch(0), replace(ENDED, ended=ended, reason=reason))
    found = watch(RUN, io.StringIO(), wait=Script())
    assert (found.stands.value, found.exit_code) == (ended.value, 75)
    assert found.sentence.startswith(says)


def test_one_on_another_machine_is_believed_while_it_gives_signs_of_life():
    write(STARTED, *epoch(0))
    claim_of(host="elsewhere")
    assert look(RUN).stands == "trains"
    now = (RUN / CLAIM).stat().st_mtime
    for ago, stands in ((60, "trains"), (7200, "died")):
        os.utime(RUN / CLAIM, (now - ago, now - ago))
        assert look(RUN).stands == stands


def test_once_says_how_it_stands_in_facts_and_as_a_document():
    with claimed(RUN):
        assert look(RUN).document["state"] == "begins"
        write(STARTED)
        assert look(RUN).document | {"process": None, "last_event": None} == {
            "folder": "exp",
            "state": "begins",
            "epochs": 3,
            "epochs_done": 0,
            **dict.fromkeys(("reason", "epoch", "batch", "batches", "results", "fitness", "best_epoch")),
            **dict.fromkeys(("best_fitness", "seconds_left", "process", "last_event")),
        }
        write(STARTED, *epoch(0), EpochStarted(1, EPOCHS, 4), step(1, 0), step(1, 1), every=True)
        said = command("watch", RUN, "--once")
        told = json.loads(command("watch", RUN, "--once", "--json").out)
    assert (said.code, said.err) == (0, "")
    facts = dict(line.split(maxsplit=1) for line in said.lines)
    assert facts["state"] == "trains"
    assert facts["done"] == "1 epoch of 3"
    assert [line for line in said.lines if line.startswith("epoch ")] == [
        "epoch       2 of 3, batch 2 of 4",
        "epoch 1     mAP50 0.5, mAP50-95 0.25",
    ]
    assert (told["epoch"], told["batch"], told["batches"], told["results"]["metrics/mAP_0.5"]) == (1, 1, 4, 0.5)
    assert told["process"]["pid"] == Owner.myself().pid
    assert told["seconds_left"] is not None


def test_time_left_is_that_of_the_last_epochs_of_this_start():
    state = run_watch.RunState()
    take = [(0, STARTED), (5, EpochStarted(0, EPOCHS, 4)), (15, epoch(0)[-1])]
    for at, event in take:
        state.take(run_watch.Timed(1000.0 + at, event))
    assert state.seconds_left(1015.0) == pytest.approx(20)
    assert state.seconds_left(1019.0) == pytest.approx(16)
    state.take(run_watch.Timed(5000.0, replace(STARTED, first_epoch=1)))
    assert (state.seconds_left(5000.0), state.epochs_done) == (None, 1)
    state.take(run_watch.Timed(5001.0, EpochStarted(1, EPOCHS, 4)))
    state.take(run_watch.Timed(5003.0, step(1, 1)))
    assert state.seconds_left(5003.0) == pytest.approx(4 * 2 - 2)


def test_who_leaves_hears_nothing_and_the_code_says_so(monkeypatch):
    def leaves(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_watch.time, "sleep", leaves)
    with claimed(RUN):
        said = command("watch", RUN)
    assert (said.code, said.out, said.err) == (130, "", "")


def test_it_writes_nothing():
    write(STARTED, *epoch(0), replace(ENDED, ended=Ended.STOPPED), every=True)
    before = contents(RUN)
    for words in ((), ("--once",), ("--json",)):
        assert command("watch", RUN, *words).code == 75
    assert contents(RUN) == before


def test_a_place_without_a_run_and_a_later_format_are_one_line():
    with pytest.raises(SettingError, match=r"exp: there is no run in it\. Give a run folder"):
        watch(RUN, io.StringIO())
    with pytest.raises(SettingError, match=r"nowhere: there is no such folder\. Give a run folder"):
        look(Path("nowhere"))
    EventLog(LOG).handle(STARTED)
    LOG.write_text(LOG.read_text().replace('"version": 1', '"version": 2'))
    for see in (look, lambda run: watch(run, io.StringIO())):
        with pytest.raises(DataError, match=r"events\.jsonl: it is of format 2, and this program knows 1\. Follow it"):
            see(RUN)


def test_lines_that_are_no_events_are_passed_over():
    write(STARTED, StreamStarted(), STARTED, *epoch(0))
    LOG.write_bytes(
        b"\0\0\n[1]\n{}\n" + LOG.read_bytes() + b'{"time": 1.0, "event": "EpochEnded", "epoch": "x"}\n\xff\n'
    )
    found = look(RUN)
    assert (found.stands, found.document["epochs_done"]) == ("stopped", 1)
