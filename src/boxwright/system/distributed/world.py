# SPDX-License-Identifier: Apache-2.0
"""The processes that train one network together, and all that they say to each other.

Decisions that depend on a clock, a signal, memory or a number are put to `agree` at fixed points, so that no process
goes a way of its own. Every exchange has a number and a name, and where a process stands can be asked. A world of one
answers at once and costs nothing; that of several is in `system/distributed/process_group.py`.

Exchanges within a step (`agree`, `sum_`) are waited for briefly: every process gets there at about the same time. All
others may be waited for as long as the processes that work give signs of life.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, TypeVar

from boxwright.system.signals import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import numpy as np
    import torch

Value = TypeVar("Value")


@dataclass
class World:
    """`rank` of `size` processes; `local_rank` among the `local_size` of this host.

    `exchanges` counts what was said, `last` names it; `stage` is what this process works at, in words.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    job: str = ""  # of the launcher, the same in every attempt; '' without one
    attempt: int = 0  # restarts by the launcher of this host before this one
    stop: StopRequest | None = None  # what the launcher asks without a signal
    host: str = field(default_factory=platform.node)
    code: int = field(default=0, init=False)  # with which all of them end when nothing goes wrong
    stage: str = field(default="", init=False)
    exchanges: int = field(default=0, init=False)
    last: str = field(default="", init=False)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    @property
    def first_of_host(self) -> int:
        """The first rank that the launcher of this host started: two on one machine are two hosts."""
        return self.rank - self.local_rank

    @property
    def is_several(self) -> bool:
        """Whether there are others."""
        return self.size > 1

    # -- within a step

    def agree(self, reason: str, name: str = "stop") -> str:
        """The reason of the first process that has one, or ''. All of them get the same answer."""
        self._exchange(name)
        return reason

    def sum_(self, tensor: torch.Tensor, name: str = "sum") -> torch.Tensor:
        """The sum over all processes, in place."""
        self._exchange(name)
        return tensor

    def notices(self, reason: str) -> bool:
        """Whether this process or any other had a reason so far. Asked at any time; nobody waits for anybody."""
        return bool(reason)

    # -- between steps

    def gather(self, value: Value, name: str = "gather") -> list[Value]:
        """The values of all processes in the order of their ranks. Values are what JSON can say."""
        self._exchange(name)
        return [value]

    def gather_arrays(self, arrays: Mapping[str, np.ndarray], name: str) -> list[Mapping[str, np.ndarray]]:
        """The arrays of all processes in the order of their ranks."""
        self._exchange(name)
        return [arrays]

    def broadcast(self, value: Value, name: str = "broadcast") -> Value:
        """The value of rank 0. Values are what JSON can say."""
        self._exchange(name)
        return value

    def send_(self, tensors: Iterable[torch.Tensor], name: str) -> None:  # noqa: ARG002 -- there is nobody to send to
        """Write the tensors of rank 0 into those of all others, which have the same shapes."""
        self._exchange(name)

    def first_on_host(self, work: Callable[[], Value], name: str) -> Value:
        """Work that one process of each host does first, and the others when it is done, finding what it has left."""
        self._exchange(name)
        return work()

    def alone(self, work: Callable[[], Value], name: str) -> Value | None:
        """Work of rank 0, for which the others wait without holding a device; None in them."""
        self._exchange(name)
        return work()

    def after_rank_0(self, work: Callable[[], Value], name: str) -> Value:
        """Work of every process, which takes rank 0 longer (files, pictures): the others wait, holding no device."""
        self._exchange(name)
        return work()

    def close(self) -> None:
        """Leave together."""

    def leave_first(self) -> None:
        """Rank 0 is about to end by a decision of all, and may be busy for a while before it has told the user."""

    def leave_after_rank_0(self, code: int) -> NoReturn:
        """End by a decision of all, which rank 0 tells the user. For others than rank 0."""
        raise AssertionError(f"a process that is alone cannot leave with {code} after another one")

    @property
    def position(self) -> str:
        """Where this process stands, in words."""
        return f"rank {self.rank} at exchange {self.exchanges} ({self.last or 'none yet'})"

    def _exchange(self, name: str) -> None:
        self.exchanges += 1
        self.last = name
