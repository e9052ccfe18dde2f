# SPDX-License-Identifier: Apache-2.0
"""Starts several processes of one command on this machine, by PyTorch's elastic launcher, and waits for them.

The launcher runs in this process: no script is written, and no file of the user's is run again. When one is lost all
are started anew, as `torchrun --max-restarts` does; but not after what ends for good: a signal, a time that is used up,
a disk that is full, a mistake of the user's.
"""

from __future__ import annotations

import logging
import signal
import sys
import uuid
from typing import TYPE_CHECKING

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from boxwright.errors import EXIT_DONE, EXIT_OUR_FAULT, EXIT_TRY_AGAIN
from boxwright.system.signals import ENDED_BY_SIGNAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LOOPBACK = "127.0.0.1"
LOOK_S = 0.1  # between looks at the processes
SAVING_S = 30  # that processes have to save and leave after a signal
# Exit codes after which starting again helps: a process was killed, or crashed inside a library, or lost another one.
LOST = {EXIT_TRY_AGAIN, *(ENDED_BY_SIGNAL + number for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV))}


def launched(words: Sequence[str], processes: int, max_restarts: int, ended: Callable[[], bool]) -> int:
    """Run `boxwright WORDS` in so many processes that find each other; their exit code. `ended`: it is for good."""
    job, left = uuid.uuid4().hex, max_restarts
    while True:
        code = _attempt(words, processes, job)
        if code not in LOST or not left or ended():
            return code
        left -= 1


def _attempt(words: Sequence[str], processes: int, job: str) -> int:
    _hush()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=job,
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:0",
        local_addr=LOOPBACK,
        max_restarts=0,
        monitor_interval=LOOK_S,
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=SAVING_S,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "boxwright", *words)
    except ChildFailedError as error:
        return _code_of([failure.exitcode for failure in error.failures.values()])
    except SignalException as stop:
        return ENDED_BY_SIGNAL + int(stop.sigval)
    return EXIT_DONE


def _hush() -> None:
    """The processes tell what went wrong themselves."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


def _code_of(codes: list[int]) -> int:
    """That of a process which ended by itself, before those that a signal of the launcher ended."""
    by_themselves = [code for code in codes if code > 0]
    killed = [ENDED_BY_SIGNAL - code for code in codes if code < 0]
    return next(iter((*by_themselves, *killed)), EXIT_OUR_FAULT)
