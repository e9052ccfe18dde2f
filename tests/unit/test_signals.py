# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import signal
import threading

import pytest

from boxwright import cli
from boxwright.system.signals import TerminatedError, exit_code, termination_heeded


def test_a_request_to_end_arrives_as_an_interrupt_and_the_old_answer_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TerminatedError), termination_heeded():
        os.kill(os.getpid(), signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone():
    seen = []

    def look():
        with termination_heeded():
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
