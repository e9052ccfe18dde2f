# SPDX-License-Identifier: Apache-2.0
"""A process among all that ever ran on any machine, and whether it still does. It needs no compute library."""

from __future__ import annotations

import contextlib
import os
import platform
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_BOOT, _PROCESSES, _STAT = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid"), "/proc/{}/stat"
_START_FIELD = (
    19  # of what follows the name in a process's stat: ticks from the start of the machine to that of the process
)


@dataclass(frozen=True)
class Owner:
    """A process among all that ever ran.

    Its machine, since when that runs, which processes see each other, number and start; since when it is here.
    """

    host: str
    boot: str
    space: str
    pid: int
    started: str
    since: str
    token: str

    @classmethod
    def myself(cls) -> Owner:
        """This process."""
        pid = os.getpid()
        return cls(
            platform.node(),
            _boot(),
            _space(),
            pid,
            _started(pid),
            time.strftime("%Y-%m-%d %H:%M:%S"),
            secrets.token_hex(8),
        )

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"

    @property
    def is_here(self) -> bool:
        """Whether this system knows its processes: the same machine, not started anew since, and the same container."""
        return (self.host, self.boot, self.space) == (platform.node(), _boot(), _space())

    @property
    def lives(self) -> bool:
        """Whether the process is there, and no other one that got its number later. For an owner who is here."""
        return _started(self.pid) == self.started != ""

    @property
    def is_gone(self) -> bool:
        """Whether the process is known to have ended. Of one elsewhere nothing is known."""
        return self.is_here and not self.lives


def _boot() -> str:
    with contextlib.suppress(OSError):
        return _BOOT.read_text().strip()
    return ""


def _space() -> str:
    with contextlib.suppress(OSError):
        return str(_PROCESSES.readlink())
    return ""


def _started(pid: int) -> str:
    """When a process began, '' when it is gone; in ticks where the system counts them, since clocks are set."""
    try:
        if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return ""
        with contextlib.suppress(OSError):
            return Path(_STAT.format(pid)).read_text(errors="replace").rpartition(")")[2].split()[_START_FIELD]
        return str(round(psutil.Process(pid).create_time()))
    except (psutil.Error, OverflowError, ValueError):
        return ""
