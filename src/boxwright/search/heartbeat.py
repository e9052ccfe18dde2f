# SPDX-License-Identifier: Apache-2.0
"""Signs of life for a job from a thread of its own, as long as its training gets on."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Self

from boxwright.errors import UserError
from boxwright.search.job import Job
from boxwright.search.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

STALL_S = 900.0  # without progress, before a training counts as stuck: a first batch may take minutes


class Heartbeat:
    """`with Heartbeat(ledger, job, mark): train()`. `mark` says how far the training is, in a few words that change.

    A training whose mark stays the same for `stall_s` seconds gives no more signs of life, so that another worker
    begins its job again; if it gets on after all, they come again. A sign that cannot be written is missed, and the
    error of the last one is `trouble`.
    """

    def __init__(
        self,
        ledger: Ledger,
        job: Job,
        mark: Callable[[], str],
        *,
        stall_s: float = STALL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger, self._job, self._mark, self._stall_s, self._clock = ledger, job, mark, stall_s, clock
        self._last, self._since = mark(), clock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="boxwright heartbeat", daemon=True)
        self.trouble: UserError | None = None

    def beat(self) -> bool:
        """Give a sign of life, unless the training is stuck. Whether it was given."""
        mark, now = self._mark(), self._clock()
        if mark != self._last:
            self._last, self._since = mark, now
        if now - self._since > self._stall_s:
            return False
        try:
            self._ledger.beat(self._job, mark)
            self.trouble = None
        except UserError as error:  # a full disk or a server that is away for a moment must not end a training
            self.trouble = error
            return False
        return True

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._ledger.beat_s):
            self.beat()
