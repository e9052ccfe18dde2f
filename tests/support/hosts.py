# SPDX-License-Identifier: Apache-2.0
"""Hosts of one training, on this machine: each an agent of torchrun with its workers, in a process group of its own.

Agents and rendezvous are those of torchrun; the workers are forked instead of started, since importing takes longer
than what a test does with them.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from boxwright.cli import main
from tests.support.ranks import NO_ANSWER, ON_THE_WAY, killed_at_last

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOPBACK = "127.0.0.1"
# Seconds: for a second host that may come, for all to come, and how soon one that gives no signs is out.
RENDEZVOUS = {"last_call_timeout": 1, "join_timeout": 60, "keep_alive_interval": 1, "keep_alive_max_attempt": 2}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as asked:
        asked.bind((LOOPBACK, 0))
        return int(asked.getsockname()[1])


@dataclass(frozen=True)
class Host:
    """One that runs: the agent's process, and what is written by it and its workers."""

    agent: int
    place: Path

    @property
    def out(self) -> str:
        return (self.place / "out").read_text()

    @property
    def err(self) -> str:
        return (self.place / "err").read_text()

    def ended(self) -> int:
        """Its exit code, or minus the signal; waits for it."""
        with killed_at_last([self.agent], group=True):
            return os.waitstatus_to_exitcode(os.waitpid(self.agent, 0)[1])


def dies() -> None:
    """The host of this worker loses its power."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def started(
    place: Path,
    number: int,
    port: int,
    words: list[str],
    *,
    hosts: tuple[int, int],
    workers: int = 1,
    restarts: int = 3,
    arm: Callable[[], None] = lambda: None,
) -> Host:
    """Host `number` with so many workers of a command line, of at least and at most so many `hosts`."""
    for name in ON_THE_WAY:
        importlib.import_module(name)
    place.mkdir()
    sys.stdout.flush()
    agent = os.fork()
    if agent:
        return Host(agent, place)
    code = NO_ANSWER
    try:
        os.setsid()
        for name, stream in (("out", 1), ("err", 2)):
            os.dup2(os.open(place / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
        sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
        os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"  # or torchrun takes no host back
        elastic_launch(_config(number, port, hosts, workers, restarts), _work)(words, arm)
        code = 0
    except ChildFailedError as error:
        code = max(failure.exitcode for failure in error.failures.values())
    finally:
        sys.stdout.flush()
        os._exit(code)


def _config(number: int, port: int, hosts: tuple[int, int], workers: int, restarts: int) -> LaunchConfig:
    return LaunchConfig(
        min_nodes=hosts[0],
        max_nodes=hosts[1],
        nproc_per_node=workers,
        run_id="birds",
        rdzv_backend="c10d",
        rdzv_endpoint=f"{LOOPBACK}:{port}",
        rdzv_configs={**RENDEZVOUS, "is_host": number == 0},
        local_addr=LOOPBACK,
        max_restarts=restarts,
        monitor_interval=0.1,
        start_method="fork",
        logs_specs=DefaultLogsSpecs(),
    )


def _work(words: list[str], arm: Callable[[], None]) -> None:
    sys.stdout, sys.stderr = (os.fdopen(stream, "w", buffering=1, closefd=False) for stream in (1, 2))
    arm()
    code = main(words)
    sys.stdout.flush()
    if code:
        os._exit(code)
