# SPDX-License-Identifier: Apache-2.0
"""Who works on what, as one worker sees it: claims, and whether their owners still give signs of life.

A sign of life is a file that changes. How long it has not changed is measured by the observer's own clock from one look
to another, so clocks of machines are never compared. A claim is abandoned when that was longer than a lease, and at
once when its process is known to have ended, which only a process on the same machine can know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from boxwright.errors import printable
from boxwright.paths import shortened
from boxwright.search.job import Job
from boxwright.search.results import create
from boxwright.search.sealed import ClaimRecord, DamagedError, claim_in, sealed
from boxwright.search.store import ForeignFileError, Store
from boxwright.search.study_files import StudyFile, beat_file, claim_file, claim_of
from boxwright.system.owner import Owner

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

LONGEST = 200  # characters of a word of progress


@dataclass
class Watched:
    """The newest claim to a job, and since when it gave no other sign of life, in seconds of the observer's clock."""

    record: ClaimRecord
    since: float
    beat: bytes | None = None

    @property
    def progress(self) -> str:
        """How far its worker is, in its own words."""
        found = _beat_in(self.beat).get("progress")
        return shortened(printable(found), LONGEST) if isinstance(found, str) else ""

    @property
    def is_orphaned(self) -> bool:
        """Whether the process of its worker is known to have ended."""
        return self.record.owner is not None and self.record.owner.is_gone

    @property
    def is_released(self) -> bool:
        """Whether the worker gave the job back."""
        return _beat_in(self.beat).get("released") is True


class Claims:
    """What is known of all claims to jobs that have no result. New ones are made for this worker and its process."""

    def __init__(self, store: Store, worker: str, owner: Owner, lease_s: float, clock: Callable[[], float]) -> None:
        self._store, self._worker, self._owner = store, worker, owner
        self._lease_s, self._clock = lease_s, clock
        self._seen: set[str] = set()
        self._newest: dict[str, int] = {}  # job -> attempt
        self._unread: set[str] = set()  # jobs whose newest claim is there and cannot be seen yet
        self._open: dict[str, Watched] = {}
        self.damaged: dict[str, str] = {}

    @property
    def open(self) -> Mapping[str, Watched]:
        """The newest claims to jobs without a result, by name of the job."""
        return self._open

    def look(self, done: Container[str]) -> None:
        """Read new claims, and the signs of life of those whose jobs are not done. Raises UserError."""
        for name in sorted(set(self._store.names(StudyFile.CLAIMS)) - self._seen):
            self._seen.add(name)
            found = claim_of(name)
            if found is None:
                self.damaged[name] = "is no claim by its name"
            else:
                self._note(*found)
        for job in [job for job in self._unread if job in done]:
            self._unread.discard(job)
        for job in sorted(self._unread):
            self._read(job)
        for job in [job for job in self._open if job in done]:
            del self._open[job]
        for job, watched in self._open.items():
            self._watch(job, watched)

    def abandoned(self) -> list[Watched]:
        """Claims whose workers are gone or gave them back, by number of the trial."""
        now = self._clock()
        found = [
            one for one in self._open.values() if one.is_released or now - one.since > self._lease_s or one.is_orphaned
        ]
        return sorted(found, key=lambda one: (one.record.job.trial, one.record.job.name))

    def silent_s(self, watched: Watched) -> float:
        """For how many seconds a claim was seen without a new sign of life."""
        return self._clock() - watched.since

    def begin(self, job: Job, damaged: int) -> ClaimRecord | None:
        """Claim a job that nobody has begun. None when somebody has; then it is known from now on. Raises UserError."""
        if job.name in self._unread:  # as long as it cannot be seen, this is taken for what it says
            self._open[job.name] = Watched(ClaimRecord(job, "", attempt=self._newest[job.name]), self._clock())
            return None
        return self._create(job, self._newest.get(job.name, -1) + 1, 0, damaged)

    def again(self, watched: Watched, *, died: bool, damaged: int) -> ClaimRecord | None:
        """Claim a job whose worker is gone, as the next attempt. None when somebody else was first."""
        old = watched.record
        return self._create(old.job, old.attempt + 1, old.deaths + died, damaged)

    def _create(self, begun: Job, attempt: int, deaths: int, damaged: int) -> ClaimRecord | None:
        record, job = ClaimRecord(begun, self._worker, self._owner, attempt, deaths, damaged), begun.name
        won = create(self._store, claim_file(job, attempt), sealed(record))
        self._note(job, attempt)
        if won:
            self._unread.discard(job)
            self._open[job] = Watched(record, self._clock())
            return record
        self._read(job)
        return None

    def _note(self, job: str, attempt: int) -> None:
        if attempt > self._newest.get(job, -1):
            self._newest[job] = attempt
            self._unread.add(job)

    def _read(self, job: str) -> None:
        """Read the newest claim to a job. When it is damaged, the job is what an older one says; or nobody's."""
        newest = self._newest[job]
        for attempt in range(newest, -1, -1):
            name = claim_file(job, attempt)
            try:
                content = self._store.read(name)
                record = None if content is None else claim_in(content, job, attempt)
            except (DamagedError, ForeignFileError) as error:
                self.damaged[name] = str(error)
                continue
            if record is None and attempt == newest:
                return  # to be seen later
            if record is not None:
                if attempt < newest:
                    record = replace(record, worker="", owner=None, attempt=newest)
                self._open[job] = Watched(record, self._clock())
                break
        self._unread.discard(job)

    def _watch(self, job: str, watched: Watched) -> None:
        try:
            beat = self._store.read(beat_file(job, watched.record.attempt))
        except ForeignFileError as error:
            self.damaged[beat_file(job, watched.record.attempt)] = str(error)
            return
        if beat is not None and beat != watched.beat:
            watched.beat, watched.since = beat, self._clock()


def beat_document(count: int, progress: str, *, released: bool = False) -> bytes:
    """A sign of life: the count makes it another one each time."""
    return json.dumps({"count": count, "progress": progress, "released": released}).encode()


def _beat_in(content: bytes | None) -> dict[str, object]:
    try:
        found = json.loads(content or b"{}")
    except (ValueError, RecursionError):  # for people only; a torn one is a sign of life too
        return {}
    return found if isinstance(found, dict) else {}
