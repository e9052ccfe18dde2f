# SPDX-License-Identifier: Apache-2.0
"""A worker of a study: takes jobs from the ledger, trains them, and writes down what they came to."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from boxwright.errors import UserError
from boxwright.evolution.trial import Trainer, expected_hash
from boxwright.search.heartbeat import Heartbeat
from boxwright.search.job import Job, Method, Result
from boxwright.search.ledger import Ledger, Over, Wait
from boxwright.system.buckets.address import AwayError

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_WAIT_S = 0.05
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # before a bucket that is away is asked again
Answer = TypeVar("Answer")


@dataclass
class Worker:
    """Works on a study in this process. `tell` hears of every result of its own; `parent` is who started it, 0: nobody.

    What is written from the results (`publish`) is written after each of them.
    """

    ledger: Ledger
    method: Method
    trainer: Trainer
    tell: Callable[[Result], None]
    publish: Callable[[], None]
    parent: int = 0
    sleep: Callable[[float], None] = time.sleep

    def work(self) -> Over:
        """Until the study is over or stopped; why. An interruption gives the job back, for another to take at once.

        Raises what a machine cannot do: UserError, and KeyboardInterrupt after a signal.
        """
        while True:
            if self.parent > 0 and os.getppid() != self.parent:
                return Over("the command that started this worker has ended")
            found = self._patiently(lambda: self.ledger.take(self.method))
            if isinstance(found, Over):
                return found
            if isinstance(found, Wait):
                self.sleep(max(found.seconds, SHORTEST_WAIT_S))
                continue
            self._train(found)

    def _train(self, job: Job) -> None:
        try:
            with Heartbeat(self.ledger, job, self.trainer.mark):
                result = self.trainer.train(job)
        except BaseException:
            with contextlib.suppress(UserError):  # whatever ended the training is what has to be told
                self.ledger.release(job)
            raise
        self._patiently(lambda: self.ledger.finish(result, expected_hash(self.trainer.plan, job)))
        self._patiently(self.ledger.look)
        kept = self.ledger.results().get(job.name, result)
        self.publish()
        self.tell(kept)

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask a bucket again and again while it is away: what was trained is not to be lost."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                return ask()
            except AwayError:
                self.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
