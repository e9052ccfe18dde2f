# SPDX-License-Identifier: Apache-2.0
"""The program in a process of its own, without a network, watched through what it prints."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from boxwright import cli
from tests.support.forked import Forked

SUPPORT = Path(__file__).parent
PACKAGE = SUPPORT.parents[1] / "src"


def environment() -> dict[str, str]:
    """What a started program sees: our package, one compute thread, and a guard that ends it when it uses a socket."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SUPPORT / "offline"), str(PACKAGE)]),
        "OMP_NUM_THREADS": "1",
    }


def started(*words: str) -> subprocess.Popen[str]:
    """`python -m boxwright WORDS`, running."""
    command = [sys.executable, "-m", "boxwright", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())


def forked(*words: str) -> Forked:
    """The same in a child of this process, whose start costs no import."""
    return Forked(lambda: cli.main(words))


def wait_for(process: subprocess.Popen[str] | Forked, word: str) -> str:
    """The first line that begins with this word, blanks aside. It waits on the pipe, so nothing is polled."""
    for line in process.stdout:
        if line.split()[:1] == [word]:
            return line
    raise AssertionError(f"the program ended before it printed {word!r}: {process.stderr.read()}")
