# SPDX-License-Identifier: Apache-2.0
"""What the control groups of Linux grant this process.

Each limit of its own group and of all groups above it counts.
"""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")  # lines `number:controllers:/path`; one of version 2 names no controllers


class _Memory(NamedTuple):
    """Where a group says its limit, its use, and the part of it that the system gives back when asked.

    Pages of files that were read.
    """

    controller: str
    limit: str
    used: str
    given_back: str


_MEMORY = (
    _Memory("", "memory.max", "memory.current", "inactive_file"),
    _Memory("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def granted_cores() -> int:
    """Time per period, in whole cores; more threads than that only wait for each other. Very many without a limit."""
    cores = sys.maxsize
    for group in _groups(""):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # "max" stands for no limit
            quota, period = (group / "cpu.max").read_text().split()
            cores = min(cores, math.ceil(int(quota) / int(period)))
    for group in _groups("cpu"):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            cores = min(cores, math.ceil(int(quota) / int(period)) if int(quota) > 0 else cores)
    return cores


def granted_memory_bytes() -> int:
    """Memory that may still be taken. Very much without a limit."""
    free = sys.maxsize
    for version in _MEMORY:
        for group in _groups(version.controller):
            with contextlib.suppress(
                OSError, ValueError
            ):  # "max" stands for no limit, as does a number beyond all memory in version 1
                left = int((group / version.limit).read_text()) - int((group / version.used).read_text())
                free = min(free, left + _entry(group / "memory.stat", version.given_back))
    return free


def _groups(controller: str) -> Iterator[Path]:
    """The folders of our group and of those above it, of version 2 without a controller.

    Inside a container only the uppermost may be there.
    """
    base = ROOT / controller if controller else ROOT
    parts: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        for line in MEMBERSHIP.read_text().splitlines():
            _, _, rest = line.partition(":")
            controllers, _, path = rest.partition(":")
            if controller in controllers.split(","):
                parts = PurePosixPath(path).parts[1:]
    if ".." in parts:  # a group outside of what this container sees
        parts = ()
    return (base.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _entry(account: Path, name: str) -> int:
    """A number of an account of lines `NAME NUMBER`, 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in account.read_text().splitlines():
            if line.startswith(f"{name} "):
                return int(line.split()[1])
    return 0
