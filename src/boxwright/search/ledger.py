# SPDX-License-Identifier: Apache-2.0
"""The ledger of a study: any number of workers take jobs from it and write results into it; no server, no locks.

Everything is a small file that is made once by whoever comes first (`store.py`), so a worker may die, freeze or be
started anywhere at any time: a result that was written down stays, a job whose worker is gone is begun again as it was,
and of two results of one job the first one counts.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from boxwright.errors import BoxwrightError, printable
from boxwright.paths import shortened
from boxwright.search.claims import Claims, Watched, beat_document
from boxwright.search.job import Job, Method, Result
from boxwright.search.plan_file import begin_study, read_plan
from boxwright.search.results import Results
from boxwright.search.sealed import ClaimRecord, StopRecord
from boxwright.search.stops import Stops
from boxwright.search.store import Store
from boxwright.search.study import StudyPlan
from boxwright.search.study_files import beat_file, is_job_name
from boxwright.system.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BEAT_S = 10.0  # between signs of life
LEASE_S = 60.0  # without one, before a job is begun again
MAX_DEATHS = 3  # of workers at one job, before the job is held to be at fault
IN_A_ROW = 3  # failures of one kind that stop a study
OTHER_SETTINGS, NOT_FINITE, WORKER_DIED = "other settings", "not finite", "worker died"  # kinds of failures found here


@dataclass(frozen=True)
class Wait:
    """Nothing to begin now: others work on what has to be known first. Ask again after so many seconds."""

    seconds: float
    running: tuple[str, ...]  # names of jobs


@dataclass(frozen=True)
class Over:
    """Nothing will come any more, and why. A study that was stopped may be lifted by a later start."""

    reason: str
    is_stopped: bool = False


@dataclass(frozen=True)
class Running:
    """A job that somebody works on. `silent_s`: seconds without a sign of life, as this process has seen it."""

    job: Job
    worker: str
    attempt: int
    progress: str
    silent_s: float


class Ledger:
    """The study as one worker works on it, with one job at a time; made in the process that works.

    `worker` is a name that no other worker ever had, by default made of `owner`, which is by default this process.
    Not for several threads, apart from `beat`. Raises UserError for a store that cannot be read or written; whatever
    was asked can be asked again then.
    """

    def __init__(
        self,
        store: Store,
        plan: StudyPlan,
        *,
        worker: str = "",
        owner: Owner | None = None,
        lease_s: float = LEASE_S,
        beat_s: float = BEAT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not lease_s > 3 * beat_s > 0:
            raise ValueError(f"a lease of {lease_s} s is too short for signs of life every {beat_s} s")
        owner = owner or Owner.myself()
        self.store, self.plan, self.beat_s = store, plan, beat_s
        self.worker = worker or _worker_name(owner)
        self._results = Results(store, plan.epochs)
        self._claims = Claims(store, self.worker, owner, lease_s, clock)
        self._stops = Stops(store)
        self._held: dict[str, ClaimRecord] = {}
        self._beats = 0

    # -- what a worker does

    def take(self, method: Method) -> Job | Wait | Over:
        """The next job, which is this worker's from now on. First those whose workers are gone, then a new one."""
        self.look()
        stop = self._stops.look() or self._stop_if_failing()
        if stop is not None:
            return Over(stop.reason, is_stopped=True)
        record = self._begin_again()
        while record is None:
            done, taken = self._results.known, self.taken()
            job = method.next_job(done, taken)
            if job is None:
                if method.is_over(done):
                    return Over(f"the study is done: {len(done):,} results")
                return Wait(self.beat_s / 2, tuple(sorted(self._claims.open)))
            if job.name in taken or not is_job_name(job.name):
                raise BoxwrightError(f"the method asked for job '{job.name}', which is begun already or is no name")
            record = self._claims.begin(job, self._results.count_damaged(job.name))
        self._held[record.job.name] = record
        self.beat(record.job)
        return record.job

    def beat(self, job: Job, progress: str = "") -> None:
        """Give a sign of life for a job of this worker, if it is still one; `progress` is for people."""
        held = self._held.get(job.name)
        if held is not None:
            self._beats += 1
            self.store.put(beat_file(job.name, held.attempt), beat_document(self._beats, progress))

    def finish(self, result: Result, expected_hash: str) -> bool:
        """Write down for good what a job came to. False when another worker's result of it counts.

        A result of other settings than those that `expected_hash` is of, and one that is not finite, becomes a failure.
        """
        held = self._held.get(result.job.name)
        if held is None or held.job != result.job:
            raise BoxwrightError(f"job '{result.job.name}' is not the one that this worker took")
        if not result.is_failed and result.plan_hash != expected_hash:
            found = result.plan_hash[:12] or "unknown"
            reason = f"trained with settings {found}, and the job has {expected_hash[:12]}"
            result = replace(result, failure=OTHER_SETTINGS, reason=reason)
        result = _recorded(replace(result, worker=self.worker, attempt=held.attempt))
        self._results.look()
        kept = self._results.write(result)
        del self._held[result.job.name]
        return kept

    def record(self, result: Result) -> bool:
        """Write down the result of a job that nobody took from this ledger, such as a row of an earlier record.

        False when there is one already.
        """
        self._results.look()
        return self._results.write(_recorded(result))

    def release(self, job: Job) -> None:
        """Give a job back, to be begun again by anybody at once. The worker has not died."""
        record = self._held.pop(job.name)
        self._beats += 1
        self.store.put(beat_file(job.name, record.attempt), beat_document(self._beats, "", released=True))

    # -- what is known

    def look(self) -> None:
        """Read what is new. All that follows speaks of what was known at the last look."""
        self._results.look()
        self._claims.look(self._results.known)

    def results(self) -> Mapping[str, Result]:
        """Results by name of the job."""
        return self._results.known

    def best(self) -> Result | None:
        """The highest fitness of a whole trial; among equals the first by number."""
        return self._results.best

    def taken(self) -> dict[str, Job]:
        """Every job that was ever begun, by its name."""
        return {name: one.record.job for name, one in self._claims.open.items()} | self._results.jobs

    def running(self) -> list[Running]:
        """Jobs that were begun and have no result, by number of the trial."""
        found = [self._running(one) for name, one in self._claims.open.items() if name not in self._results.known]
        return sorted(found, key=lambda one: (one.job.trial, one.job.name))

    def damaged(self) -> dict[str, str]:
        """Files that were passed over, and what is wrong with each."""
        return {printable(name): why for name, why in (self._claims.damaged | self._results.damaged).items()}

    def stopped(self) -> StopRecord | None:
        """Why the study was stopped before its time, if it was and nobody has lifted that."""
        return self._stops.look()

    def lift(self) -> StopRecord | None:
        """Let a stopped study go on; what it was stopped for. For whoever starts workers, once before all of them."""
        self.look()
        return self._stops.lift(self.worker, [name for name, one in self._results.known.items() if one.is_failed])

    def publish(self, name: str, render: Callable[[], bytes]) -> None:
        """Write a file that is made of what is known, such as the best set, and again when that was no longer so.

        Of several workers who do it at once the last one has seen what all others wrote down.
        """
        content = None
        while content != (content := render()):
            self.store.put(name, content)
            self._results.look()

    # -- within

    def _begin_again(self) -> ClaimRecord | None:
        """Claim a job whose worker is gone, or whose result is damaged; the first one that nobody else claims."""
        torn = [one for one in self._claims.open.values() if self._count_damaged(one) > one.record.damaged]
        for watched in [*torn, *(one for one in self._claims.abandoned() if one not in torn)]:
            job = watched.record.job
            if self._results.find(job.name) is not None:
                continue  # the list of names is late
            died = watched not in torn and not watched.is_released
            if watched.record.deaths + died >= MAX_DEATHS:
                self._give_up(watched)
                continue
            damaged = self._count_damaged(watched)
            record = self._claims.again(watched, died=died, damaged=damaged)
            if record is not None:
                return record
        return None

    def _count_damaged(self, watched: Watched) -> int:
        return self._results.count_damaged(watched.record.job.name)

    def _give_up(self, watched: Watched) -> None:
        reason = f"{MAX_DEATHS} workers were lost at it, the last one of them {watched.record.worker or 'unknown'}"
        self._results.write(
            Result(
                watched.record.job,
                0.0,
                failure=WORKER_DIED,
                reason=reason,
                worker=self.worker,
                attempt=watched.record.attempt,
            )
        )

    def _stop_if_failing(self) -> StopRecord | None:
        failed = self._results.failures_in_a_row(self._stops.excused)[-IN_A_ROW:]
        if len(failed) < IN_A_ROW:
            return None
        names, last = tuple(one.job.name for one in failed), failed[-1]
        reason = f"{IN_A_ROW} trainings in a row failed with '{last.failure}' ({', '.join(names)}): {last.reason}"
        return self._stops.declare(StopRecord(last.failure, reason, names))

    def _running(self, one: Watched) -> Running:
        record = one.record
        return Running(record.job, printable(record.worker), record.attempt, one.progress, self._claims.silent_s(one))


def open_ledger(store: Store, plan: StudyPlan | None = None, *, worker: str = "") -> Ledger | None:
    """The ledger of a study that is there, or else of a new one with this plan. None where neither is.

    The plan that counts is the one in the ledger: of several who begin at once, one comes first. Raises UserError.
    """
    found = read_plan(store) if plan is None else begin_study(store, plan)
    return None if found is None else Ledger(store, found, worker=worker)


def _worker_name(owner: Owner) -> str:
    """A name that no other worker ever had: host, process, and something drawn."""
    return f"{shortened(printable(owner.host))}-{owner.pid}-{owner.token[:8]}"


def _recorded(result: Result) -> Result:
    """A result as it is written down: what is no number has become a failure."""
    if not result.is_failed and not math.isfinite(result.fitness):
        result = replace(result, failure=NOT_FINITE, reason=f"the fitness is {result.fitness}")
    finite = {name: _finite(value) for name, value in result.results.items()}
    return replace(
        result,
        fitness=0.0 if result.is_failed else float(result.fitness),
        results={} if result.is_failed else finite,
        reason=shortened(printable(result.reason), 2000),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
