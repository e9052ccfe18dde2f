# SPDX-License-Identifier: Apache-2.0
"""A worker of a study: takes jobs from the ledger, trains them, and writes down what they came to."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boxwright.evolution.trial import Trainer, expected_hash
from boxwright.search.heartbeat import Heartbeat
from boxwright.search.job import Job, Method, Result
from boxwright.search.ledger import Ledger, Over, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

SHORTEST_WAIT_S = 0.05


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
            found = self.ledger.take(self.method)
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
            self.ledger.release(job)
            raise
        self.ledger.finish(result, expected_hash(self.trainer.plan, job))
        self.ledger.look()
        kept = self.ledger.results().get(job.name, result)
        self.publish()
        self.tell(kept)
