# SPDX-License-Identifier: Apache-2.0
"""The mirror of a run in a bucket: looked at before the run, kept by a process of its own, told of at the end."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from boxwright.config.schema.train import TrainSettings
from boxwright.errors import SettingError
from boxwright.runs.plan import TrainPlan
from boxwright.structures.answer import Answer
from boxwright.system.buckets.address import Address, AwayError, BucketError, read_address
from boxwright.system.buckets.job import Job, new_owner, place_of_run, read_job, write_job
from boxwright.system.buckets.remote import opened, require_client
from boxwright.system.buckets.sender import claim_place, mirror_of
from boxwright.system.claim import claimed
from boxwright.system.files import WriteError
from boxwright.system.follower import Follower, command_of
from boxwright.system.run_folder import RunFile, RunFolder
from boxwright.track.events import Event, Told, Warned
from boxwright.track.sinks.bucket import BucketNews

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY = "follow-bucket"  # of the command line: the process that sends
CHECK_S = 30.0  # for which a run waits for the first answer of a bucket
TRIES = 3  # of a sync that somebody waits for


class Mirroring:
    """The mirror of a run that is about to begin. The training waits for it at both ends, and never between.

    Raises SettingError and BucketError where the bucket cannot be used, before anything is made.
    """

    def __init__(self, plan: TrainPlan, folder: RunFolder) -> None:
        settings = plan.settings
        bucket = read_address(settings.bucket, "--bucket")
        self.folder, self.settings = folder, settings
        self.job = job_of(folder, bucket, settings.project)
        self._news = threading.Condition()
        self._last: dict[str, Any] = {}
        self._checked: dict[str, Any] = {}
        self._troubles: list[str] = []
        self._told: set[str] = set()
        self._tell: Callable[[Event], None] | None = None
        self._follower = Follower(command_of(ENTRY), self._heard)
        self.sink = BucketNews(lambda: self._follower.tell({"changed": True}))

    def checked(self) -> list[str]:
        """Wait for the first answer, and say what is to be said about it. Raises SettingError for one that is no."""
        about = {"address": self.job.address, "bucket": self.job.bucket, "owner": self.job.owner}
        self._follower.tell({"check": about})
        with self._news:
            self._news.wait_for(lambda: self._checked, CHECK_S)
        found = self._checked or {"checked": "away", "error": f"{self.job.address}: does not answer."}
        if found["checked"] == "refused":
            raise _RefusedError(found["error"])
        if found["checked"] == "away":
            return [f"{found['error']} The run begins all the same, and is sent there when it answers"]
        return []

    def begin(self, tell: Callable[[Event], None]) -> None:
        """The folder is there: send it from now on. `tell` may be called from another thread. Raises WriteError."""
        self._tell = tell
        self.job = replace(self.job.taken_over(), copies=copies_of(self.folder, self.settings))
        write_job(self.folder.path, self.job)
        message = {"folder": str(self.folder.path.resolve()), "every": self.settings.bucket_every}
        self._follower.tell(message, standing=True)

    def finish(self) -> None:
        """The run is over: wait for what is behind, for a bounded time, and tell how it stands."""
        if self._tell is None:
            return
        try:
            self.job = replace(self.job, copies=copies_of(self.folder, self.settings))
            write_job(self.folder.path, self.job)
        except WriteError as error:  # a disk that is full does not keep the rest from being sent
            self._tell(Warned(str(error)))
        self._follower.tell({"end": True}, standing=True)
        with self._news:
            self._news.wait_for(lambda: self._last.get("over"), self.settings.bucket_wait)
            last = dict(self._last)
        if not last.get("over"):
            self._tell(Warned(self._about_rest(last)))
        elif self._troubles and last.get("kind") != "superseded":
            self._tell(Told(f"{self.job.address} has all of the run, after {_times(len(self._troubles))} of trouble"))

    def close(self) -> None:
        """End the process that sends."""
        self._follower.close()

    def _about_rest(self, last: dict[str, Any]) -> str:
        files, size = last.get("behind", 0), last.get("size", 0)
        what = f"{files} files, {size / 1e6:,.1f} MB, are missing there" if files else "it has not answered to the end"
        why = (
            f" ({_times(len(self._troubles))} of trouble; the last: {self._troubles[-1].rstrip('.')})"
            if self._troubles
            else ""
        )
        return f"{self.job.address} is behind: {what}{why}. Finish it with `boxwright bucket sync {self.folder}`"

    def _heard(self, message: dict[str, Any]) -> None:
        """In the thread that listens."""
        with self._news:
            if "checked" in message:
                self._checked = message
            if "behind" in message:
                self._last = message
            self._news.notify_all()
        if message.get("error") and "checked" not in message:
            self._trouble(message.get("kind", ""), message["error"])
        elif "hung" in message:
            self._trouble("hung", f"{self.job.address}: the process that sends hung, and was started anew.")
        elif "lost" in message:
            self._trouble("lost", f"{self.job.address}: the process that sends ends again and again.")

    def _trouble(self, kind: str, text: str) -> None:
        """Count it, and tell the first of each kind."""
        self._troubles.append(text)
        if kind not in self._told and self._tell is not None:
            self._told.add(kind)
            after = "Nothing more is sent" if kind in {"superseded", "elsewhere", "lost"} else "It is tried again"
            self._tell(Warned(f"{text} The run goes on. {after}"))


class _RefusedError(SettingError):
    """What the process that sends was told; it is a whole line already."""

    def __init__(self, line: str) -> None:
        where, _, what = line.partition(": ")
        super().__init__(where, what)


def job_of(folder: RunFolder, bucket: Address, project: str) -> Job:
    """Where a run goes: where it went before, if that is in this bucket; else BUCKET/PROJECT/RUN."""
    before = read_job(folder.path) if folder.path.is_dir() else None
    if before is not None and f"{before.address}/".startswith(f"{bucket}/"):
        return replace(before, bucket=str(bucket))
    return Job(str(place_of_run(bucket, folder.path, project)), str(bucket), new_owner(), new_owner())


def copies_of(folder: RunFolder, settings: TrainSettings) -> tuple[tuple[str, str], ...]:
    """The further places of files: of a named run of 2020 the table of each epoch, at the end the weights."""
    found: list[tuple[str, str]] = []
    if settings.results_file == "txt" and settings.name not in {"", "exp"}:
        name = PurePath(settings.name).name
        tables = sorted(folder.path.glob(f"{Path(RunFile.RESULTS_OF_2020).stem}*.txt"))
        place = tables[0].name if tables else str(RunFile.RESULTS_OF_2020)
        found.append((place, f"results/results{name}.txt"))
    if folder.done() is not None:
        weights = [folder.stored(kind) for kind in ("last", "best")]
        found += [(f"weights/{place.name}", f"weights/{place.name}") for place in weights if place.is_file()]
    return tuple(found)


def sync(run: str, to: str, tell: Callable[[str], None]) -> Answer:
    """Bring a run folder and its mirror together, and wait for it. Raises BucketError, ClaimedError."""
    folder = RunFolder(Path(run))
    if not (folder / RunFile.SETTINGS).is_file():
        raise SettingError(run, "is no run folder", "Give the folder of a run, such as runs/train/exp")
    job = read_job(folder.path)
    if to:
        place = read_address(to, "--to")
        if job is None or job.address != str(place):
            above = place.parent if place.scheme == "file" else read_address(place.root, "--to")
            job = Job(str(place), str(above), new_owner(), new_owner())
    if job is None:
        raise SettingError(run, "was mirrored to no bucket yet", "Name the place with --to s3://BUCKET/PROJECT/RUN")
    require_client(job.place, job.address)
    with claimed(folder.path):
        claim_place(opened(job.place), job.owner)
        job = job.taken_over()
        write_job(folder.path, job)
        mirror = mirror_of(folder.path, lambda what, _seconds: tell(what))
        for attempt in range(TRIES):
            try:
                behind = mirror.sync()
                break
            except AwayError as error:
                if attempt == TRIES - 1:
                    raise
                tell(f"{error} It is tried again")
    if behind.files:
        raise BucketError(run, f"{behind.files} files changed while they were sent", "Try again")
    return Answer([f"{job.address} has all of {run}"], {"run": run, "address": job.address})


def _times(count: int) -> str:
    return "one time" if count == 1 else f"{count} times"
