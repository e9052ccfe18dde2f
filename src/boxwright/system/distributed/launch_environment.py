# SPDX-License-Identifier: Apache-2.0
"""What a launcher of several processes (torchrun, a batch system) says of this one in the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass

from boxwright.errors import SettingError
from boxwright.system.signals import StopRequest

RUN = "TORCHELASTIC_RUN_ID"
REMEDY = "Start with torchrun, which sets it, or with --processes"


@dataclass(frozen=True)
class Launch:
    """The place of this process among all, and where the store is at which they meet."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    address: str
    port: int
    attempt: int = 0  # restarts before this one
    hosted: bool = False  # whether the launcher keeps the store; otherwise rank 0 does
    job: str = ""  # the same in every attempt
    stop: StopRequest | None = None  # what the launcher asks without a signal


def launch_of_environment() -> Launch | None:
    """What is said, None without a launcher. Raises SettingError where it cannot be meant.

    A process that is alone has one where torchrun started it, which may start it once more.
    """
    size, attempt = _number("WORLD_SIZE", 1), _number("TORCHELASTIC_RESTART_COUNT", 0)
    if size == 1:
        is_started = RUN in os.environ and os.environ.get("WORLD_SIZE", "").strip()
        return Launch(0, 1, 0, 1, "", 0, attempt, job=_job(os.environ[RUN])) if is_started else None
    rank = _number("RANK")
    local_rank = _number("LOCAL_RANK", rank)
    local_size = _number("LOCAL_WORLD_SIZE", size)
    if not 0 <= rank < size or not 0 <= local_rank < local_size <= size:
        what = f"{rank} of {size} processes, {local_rank} of {local_size} on this host, is no place among them"
        raise SettingError("RANK", what, REMEDY)
    return Launch(
        rank,
        size,
        local_rank,
        local_size,
        os.environ.get("MASTER_ADDR", "127.0.0.1"),
        _number("MASTER_PORT"),
        attempt,
        os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        _job(os.environ.get(RUN, "none")),
    )


def cluster_of_ray() -> str:
    """The address of the cluster of Ray that is to be used, '' of none. Leaves there what Ray reads nowhere else."""
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_TRAIN_V2_ENABLED="1", RAY_TRAIN_ENABLE_PRINT_PATCH="0")
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # to find a cluster that is not there takes a minute each
    return os.environ.get("RAY_ADDRESS", "").strip()


def _job(name: str) -> str:
    """What all attempts of one launcher have in common; without a name of the job, its process on this machine."""
    return f"launcher {os.getppid()}" if name == "none" else name


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name, "").strip()
    if not text and default is not None:
        return default
    if not text.isdecimal():
        what = f"{text!r} is no number" if text else "is not set, and WORLD_SIZE asks for several processes"
        raise SettingError(name, what, REMEDY)
    return int(text)
