# SPDX-License-Identifier: Apache-2.0
"""The processes that train one network together, and all that they say to each other.

The only importer of `torch.distributed`.

Decisions that depend on a clock, a signal, memory or a number are put to `agree` at fixed points, so that no process
goes a way of its own. Every exchange has a number and a name, and where a process stands can be asked. So far there is
one process; a world of one answers at once and costs nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from boxwright.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

Value = TypeVar("Value")


@dataclass
class World:
    """`rank` of `size` processes; `local_rank` among those of this host.

    `exchanges` counts what was said, `last` names it.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    exchanges: int = field(default=0, init=False)
    last: str = field(default="", init=False)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def agree(self, reason: str, name: str = "stop") -> str:
        """The reason of the first process that has one, or ''. All of them get the same answer."""
        self._exchange(name)
        return reason

    def sum_(self, tensor: torch.Tensor, name: str = "sum") -> torch.Tensor:
        """The sum over all processes, in place."""
        self._exchange(name)
        return tensor

    def mean_(self, tensor: torch.Tensor, name: str = "mean") -> torch.Tensor:
        """The mean over all processes, in place."""
        self._exchange(name)
        return tensor

    def gather(self, value: Value, name: str = "gather") -> list[Value]:
        """The values of all processes in the order of their ranks."""
        self._exchange(name)
        return [value]

    def broadcast(self, value: Value, name: str = "broadcast") -> Value:
        """The value of rank 0."""
        self._exchange(name)
        return value

    def once_per_host(self, work: Callable[[], Value], name: str) -> Value:
        """Work that one process of each host does while the others of that host wait, without holding a device."""
        self._exchange(name)
        return work()

    @property
    def position(self) -> str:
        """Where this process stands, in words."""
        return f"rank {self.rank} at exchange {self.exchanges} ({self.last or 'none yet'})"

    def _exchange(self, name: str) -> None:
        self.exchanges += 1
        self.last = name


def world_of_environment() -> World:
    """The world that a launcher describes in the environment.

    Raises SettingError where it asks for more than one process.
    """
    asked = os.environ.get("WORLD_SIZE", "1")
    if asked.strip() not in {"", "1"}:
        what = f"a launcher asks for {asked} processes, and training in several is not offered yet"
        raise SettingError(
            "WORLD_SIZE", what, "Start one: boxwright train ... without torchrun, or with --nproc_per_node 1"
        )
    return World()
