# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import threading

import pytest

from boxwright import cli
from boxwright.system.signals import Interruption, TerminatedError, exit_code, stops_collected, termination_heeded


@pytest.fixture(autouse=True)
def _heeded():
    """Whoever started the tests, with nohup or in the background: the signals are heeded."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, answer) for number, answer in usual.items()}
    yield
    for number, answer in before.items():
        signal.signal(number, answer)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["TERM", "HUP"])
def test_a_request_to_end_arrives_as_an_interrupt_and_the_old_answer_comes_back(number, code):
    before = signal.getsignal(number)
    with pytest.raises(TerminatedError) as caught, termination_heeded(Interruption()):
        os.kill(os.getpid(), number)
    assert exit_code(caught.value) == code
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["INT", "TERM", "HUP"])
def test_a_signal_that_a_process_was_started_to_ignore_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with termination_heeded(Interruption()), stops_collected() as request:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
        assert request.number == 0
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError), (signal.SIGHUP, TerminatedError)],
)
def test_a_collected_request_keeps_its_number(number, kind):
    with stops_collected() as request:
        os.kill(os.getpid(), number)
    assert request.reason == signal.Signals(number).name
    with pytest.raises(kind) as caught:
        request.raise_again()
    assert exit_code(caught.value) == 128 + number


def test_other_threads_leave_signals_alone():
    seen = []

    def look():
        with termination_heeded(Interruption()):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_the_exit_code_names_the_signal():
    assert exit_code(KeyboardInterrupt()) == 130
    assert exit_code(TerminatedError()) == 143


def test_what_was_ended_says_how_to_go_on_in_one_line(capsys, monkeypatch):
    def stop(_words):
        error = TerminatedError()
        error.add_note("go on with: this")
        raise error

    monkeypatch.setattr(cli, "_run", stop)
    assert cli.main(["recipes"]) == 143
    assert capsys.readouterr().err == "stopped; go on with: this\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_a_library_made_an_error_of_is_no_fault_of_ours(monkeypatch, capsys, number):
    def building(_words):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as stop:
            raise ValueError(f"Error building a schema: {type(stop).__name__}") from None

    monkeypatch.setattr(cli, "_run", building)
    assert cli.main(["train"]) == 128 + number
    assert capsys.readouterr().err == "stopped\n"
