# SPDX-License-Identifier: Apache-2.0
"""One command line in a process of its own, with what it took: largest memory and processor time.

Over its budget it is ended.

within_budget starts a small process, which starts the program, watches it, and writes down how it ended: the largest
size that the kernel reports of a child counts what its parent was before the start, and the process of the tests is
large.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

LOOKS_PER_SECOND = 50
STILL_S = 60.0  # of waiting beyond the processor time: a program that sleeps for longer hangs


class Spent(NamedTuple):
    """How a command ended and what it took. `code` is negative when a signal ended it."""

    code: int
    out: str
    err: str
    peak_mb: float
    cpu_s: float


def within_budget(
    words: list[str | Path],
    *,
    memory_mb: int = 2048,
    cpu_s: float = 60,
    cwd: Path | None = None,
    environment: dict[str, str] | None = None,
    program: tuple[str, ...] = ("-m", "boxwright"),
) -> Spent:
    """`python -m boxwright WORDS`, offline.

    Raises AssertionError when it takes more memory or processor time, or hangs.
    """
    support = Path(__file__).parent
    path = os.pathsep.join(map(str, (support / "offline", support.parents[1] / "src", support.parents[1])))
    seen = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **(environment or {})}
    limits = [str(memory_mb), str(cpu_s), str(cpu_s + STILL_S)]
    command = [sys.executable, "-I", "-S", __file__, *limits, sys.executable, *program, *map(str, words)]
    watched = subprocess.run(
        command, cwd=cwd, env=seen, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert watched.returncode == 0, watched.stderr
    err, _, report = watched.stderr.rpartition("\n")
    told = json.loads(report)
    spent = Spent(told["code"], watched.stdout, err, told["peak_mb"], told["cpu_s"])
    shown = (
        f"{' '.join(map(str, words))[-300:]}: {spent.peak_mb:.0f} MB, {spent.cpu_s:.1f} s of processor, "
        "exit "
        f"{spent.code}: {err[-500:]}"
    )
    assert not told["hung"], f"hangs: {shown}"
    assert spent.peak_mb <= memory_mb, f"over {memory_mb} MB: {shown}"
    assert spent.cpu_s <= cpu_s, f"over {cpu_s} s: {shown}"
    return spent


# -- the small process in between


def _resident_mb(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def watch(memory_mb: float, cpu_s: float, wall_s: float, command: list[str]) -> dict[str, object]:
    """Start a program and end it when it takes too much; what it took."""
    began, hung, largest = time.monotonic(), False, 0.0
    child = subprocess.Popen(command)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # after the start, so that the child does not inherit it
    resource.prlimit(child.pid, resource.RLIMIT_CPU, (int(cpu_s) + 1, int(cpu_s) + 2))
    while True:
        process, status, used = os.wait4(child.pid, os.WNOHANG)
        if process:
            break
        largest = max(largest, _resident_mb(child.pid))
        hung = time.monotonic() - began > wall_s
        if hung or largest > memory_mb:
            child.kill()
        signal.sigtimedwait({signal.SIGCHLD}, 1 / LOOKS_PER_SECOND)
    code = os.waitstatus_to_exitcode(status)
    return {
        "code": code,
        "peak_mb": max(largest, used.ru_maxrss / 1024),
        "cpu_s": used.ru_utime + used.ru_stime,
        "hung": hung,
    }


if __name__ == "__main__":
    memory, processor, wall = map(float, sys.argv[1:4])
    sys.stderr.write("\n" + json.dumps(watch(memory, processor, wall, sys.argv[4:])))
