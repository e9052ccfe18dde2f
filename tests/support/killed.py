# SPDX-License-Identifier: Apache-2.0
"""Processes that die in the middle of writing: killed for real, before or after any of their calls to the system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = ("open", "write", "fsync", "close", "replace", "link", "rename")
_AROUND = f"""
import os, signal, sys
from pathlib import Path

CALLS = {CALLS!r}


def under_fire(work, deadline):
    '''Do the work in a process of its own that dies at this moment: even numbers before a call, odd ones after it.

    Whether it lived.
    '''
    child = os.fork()
    if child == 0:
        moment = 0

        def wrapped(call):
            def around(*words, **named):
                nonlocal moment
                if moment == deadline:
                    os.kill(os.getpid(), signal.SIGKILL)
                moment += 1
                answer = call(*words, **named)
                if moment == deadline:
                    os.kill(os.getpid(), signal.SIGKILL)
                moment += 1
                return answer
            return around

        for name in CALLS:
            setattr(os, name, wrapped(getattr(os, name)))
        work()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL or status == 0, status
    return status == 0
"""


def run(program: str, *words: str) -> str:
    """What a program prints that may use `under_fire`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", _AROUND + program, *words],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
