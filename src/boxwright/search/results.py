# SPDX-License-Identifier: Apache-2.0
"""The results of a study as one worker knows them: every file is read once, damaged ones are named and passed over."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from boxwright.search.job import Job, Result, Stage
from boxwright.search.sealed import DamagedError, ResultRecord, result_in, sealed
from boxwright.search.store import ForeignFileError, Store
from boxwright.search.study_files import StudyFile, result_file, result_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PLACES = 100  # files of one job that may be damaged before something else is at fault


class Results:
    """What is known of all results. A job's result is the first whole file of its places; it never changes again.

    `epochs` are those of a whole training: only trials of so many can be the best.
    """

    def __init__(self, store: Store, epochs: int) -> None:
        self._store, self._epochs = store, epochs
        self._seen: set[str] = set()
        self._highest: dict[str, int] = {}  # job -> the last of its places that was listed, beyond the first
        self._known: dict[str, Result] = {}
        self.jobs: dict[str, Job] = {}  # those that have one
        self._order: list[tuple[int, str]] = []
        self._best: Result | None = None
        self.damaged: dict[str, str] = {}  # file -> what is wrong with it

    @property
    def known(self) -> Mapping[str, Result]:
        """Results by name of the job. A view: it grows."""
        return self._known

    @property
    def best(self) -> Result | None:
        """The highest fitness of a whole trial; the first by number among equals."""
        return self._best

    def look(self) -> None:
        """Read what is new in the list of names. Raises UserError for a file that one may not read."""
        for name in sorted(set(self._store.names(StudyFile.RESULTS)) - self._seen):
            found = result_of(name)
            if found is None or found[1] >= MAX_PLACES:
                self._seen.add(name)
                self.damaged[name] = "is no result by its name"
                continue
            job, place = found
            if place:
                self._highest[job] = max(place, self._highest.get(job, 0))
            if self.find(job) is not None or name in self.damaged:
                self._seen.add(name)

    def find(self, job: str) -> Result | None:
        """The result of a job, asked for by name, which is never late. Raises UserError."""
        if job in self._known:
            return self._known[job]
        for place in range(MAX_PLACES):
            name = result_file(job, place)
            record = self._read(name, job)
            if record is not None:
                self._add(record)
                return record.result
            if name not in self.damaged and place > self._highest.get(job, 0):
                return None  # beyond the first one, which somebody may have removed because it was damaged
        return None

    def count_damaged(self, job: str) -> int:
        """How many files of this job are damaged, as far as they were met."""
        return sum(result_file(job, place) in self.damaged for place in range(MAX_PLACES)) if self.damaged else 0

    def write(self, result: Result) -> bool:
        """Write a result down for good. False when the job has one already, of another worker. Raises UserError."""
        record = ResultRecord(result, len(self._known))
        content, job = sealed(record), result.job.name
        if self.find(job) is not None:
            return False
        for place in range(MAX_PLACES):
            name = result_file(job, place)
            if create(self._store, name, content):
                self._add(record)
                return True
            if self.find(job) is not None or name not in self.damaged:
                return False
        return False

    def failures_in_a_row(self, excused: frozenset[str]) -> list[Result]:
        """The last results by the order in which they were written down, as far back as they failed in the same way."""
        found: list[Result] = []
        for _, job in reversed(self._order):
            result = self._known[job]
            if not result.is_failed or job in excused or (found and found[0].failure != result.failure):
                break
            found.append(result)
        return found[::-1]

    def _read(self, name: str, job: str) -> ResultRecord | None:
        try:
            content = self._store.read(name)
            record = None if content is None else result_in(content, job)
        except (DamagedError, ForeignFileError) as error:
            self.damaged[name] = str(error)
            return None
        if record is not None:
            self.damaged.pop(name, None)
        return record

    def _add(self, record: ResultRecord) -> None:
        result = record.result
        self._known[result.job.name], self.jobs[result.job.name] = result, result.job
        insort(self._order, (record.sequence, result.job.name))
        whole = result.job.stage == Stage.TRIAL and result.job.epochs >= self._epochs and not result.is_failed
        if whole and (self._best is None or _rank(result) < _rank(self._best)):
            self._best = result


def _rank(result: Result) -> tuple[float, int, str]:
    return -result.fitness, result.job.trial, result.job.name


def create(store: Store, name: str, content: bytes) -> bool:
    """Make a file; whether it is ours that is there. `content` holds the name of its worker, so nobody else's is equal.

    A store may deny what it did, when its first answer was lost.
    """
    if store.create(name, content):
        return True
    try:
        return store.read(name) == content
    except ForeignFileError:
        return False
