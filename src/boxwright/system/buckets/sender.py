# SPDX-License-Identifier: Apache-2.0
"""The process that mirrors a run: it reads lines of JSON from whoever trains, and tells how it stands in others.

It is told that something changed, looks at the folder itself, and sends. It goes on when the training is gone, for a
bounded time. In: {"check": {...}}, {"folder": PATH, "every": SECONDS}, {"changed": true}, {"end": true}. Out: {"by":
SECONDS, "doing": TEXT} (if nothing follows within that time it hangs), {"checked": WORD, "error": TEXT},
{"behind": FILES, "size": BYTES, "error": TEXT, "kind": WORD, "over": BOOL}.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

from boxwright.errors import EXIT_DONE, UserError
from boxwright.system.buckets.address import AwayError, ElsewhereError, Store
from boxwright.system.buckets.job import Job, read_job
from boxwright.system.buckets.manifest import MANIFEST, Manifest, read_manifest
from boxwright.system.buckets.mirror import Behind, Mirror, SupersededError, require_owner
from boxwright.system.buckets.remote import opened
from boxwright.system.terminal import say

DRAIN_S = 90.0  # for which it goes on when whoever trained is gone
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # before it tries again
AT_THE_END_S = 2.0  # the same when whoever trained waits for it


class _Told:
    """What was told, from a thread that reads it."""

    def __init__(self) -> None:
        self.changed = self.ending = self.gone = False
        self.folder: Path | None = None
        self.every = 0.0
        self.check: dict[str, Any] | None = None
        self.news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            with self.news:
                self.check = message.get("check", self.check)
                if "folder" in message:
                    self.folder, self.every = Path(message["folder"]), float(message["every"])
                self.changed = self.changed or "changed" in message or "folder" in message or "end" in message
                self.ending = self.ending or "end" in message
                self.news.notify_all()
        with self.news:
            self.gone = True
            self.news.notify_all()
        timer = threading.Timer(DRAIN_S, os._exit, (EXIT_DONE,))
        timer.daemon = True
        timer.start()


def follow() -> int:
    """Mirror what is told on standard input; the exit code."""
    told = _Told()
    with told.news:
        told.news.wait_for(lambda: told.check or told.folder or told.gone)
    if told.check is not None:
        _say(**checked(told.check))
    with told.news:
        told.news.wait_for(lambda: told.folder or told.gone)
    if told.folder is not None:
        _Sender(told, told.folder).work()
    return EXIT_DONE


class _Sender:
    """Sends one folder until it is over."""

    def __init__(self, told: _Told, folder: Path) -> None:
        self.told, self.folder = told, folder
        self.mirror: Mirror | None = None
        self._not_before, self._wait = 0.0, FIRST_WAIT_S

    def work(self) -> None:
        """Until the run is over, or whoever trained is gone, and everything has arrived; or another one took over."""
        while True:
            self._wait_for_work()
            with self.told.news:
                over, self.told.changed = self.told.ending or self.told.gone, False
            try:
                mirror = self._opened()
                behind = mirror.sync()
            except SupersededError as error:
                _say(behind=0, size=0, error=str(error), kind="superseded", over=True)
                return
            except UserError as error:
                self._put_off(error)
                continue
            over = over and not behind.files
            _say(behind=behind.files, size=behind.size, error="", kind="", over=over)
            if over:
                return
            self._wait, self._not_before = FIRST_WAIT_S, time.monotonic() + self.told.every
            with self.told.news:
                self.told.changed = self.told.changed or behind.files > 0

    def _wait_for_work(self) -> None:
        """Until something changed and it is time; the end of the run waits less."""
        with self.told.news:
            self.told.news.wait_for(lambda: self.told.changed or self.told.ending or self.told.gone)
            while (left := self._not_before - time.monotonic()) > 0 and not (self.told.ending or self.told.gone):
                self.told.news.wait(left)

    def _put_off(self, error: UserError) -> None:
        """Say what is wrong, and try again later."""
        kinds: dict[type[UserError], str] = {AwayError: "away", ElsewhereError: "elsewhere"}
        late = Behind(1, 0) if self.mirror is None else self.mirror.behind()
        kind = kinds.get(type(error), "refused")
        _say(behind=max(late.files, 1), size=late.size, error=str(error), kind=kind, over=False)
        hurried = self.told.ending or self.told.gone
        self._not_before = time.monotonic() + self._wait
        if hurried:
            time.sleep(min(self._wait, AT_THE_END_S))
        self._wait = min(2 * self._wait, LONGEST_WAIT_S)
        with self.told.news:
            self.told.changed = True

    def _opened(self) -> Mirror:
        if self.mirror is None:
            self.mirror = mirror_of(self.folder, _say_doing)
        return self.mirror


def mirror_of(folder: Path, announce: Any) -> Mirror:
    """The sender of a run folder that says where it goes. Raises BucketError, SupersededError."""
    job = read_job(folder)
    if job is None:
        raise SupersededError(str(folder), "has no record of a bucket", "Name one with --to")
    store, bucket = opened(job.place), opened(job.whole)
    store.announce = bucket.announce = announce
    return Mirror(folder, job, store, bucket)


def checked(asked: dict[str, Any]) -> dict[str, str]:
    """Whether a run may be mirrored to a place, as words: sound, away, refused; and why not."""
    try:
        store = opened(Job(asked["address"], asked["bucket"], asked["owner"], "").place)
        store.announce = _say_doing
        claim_place(store, asked["owner"])
    except AwayError as error:
        return {"checked": "away", "error": str(error)}
    except UserError as error:
        return {"checked": "refused", "error": str(error)}
    return {"checked": "sound", "error": ""}


def claim_place(store: Store, owner: str) -> None:
    """See that a place takes a run, and mark it as that of one. Raises BucketError, ElsewhereError."""
    found = read_manifest(store)
    if found is None:
        if any(name != MANIFEST for name in store.names()):
            what = "holds files that are no mirror of a run"
            raise ElsewhereError(str(store.address), what, "Give another --name or --project, or another bucket")
        if not store.write(MANIFEST, Manifest(owner).content(), new=True):
            found = read_manifest(store)
    if found is None or found.owner == owner:
        return
    if not found.is_empty:
        require_owner(found, Job(str(store.address), store.address.root, owner, ""))
    store.write(MANIFEST, found.of(owner).content())  # with what may lie there, so that it is removed later


def _say_doing(what: str, seconds: float) -> None:
    _say(by=seconds, doing=what)


def _say(**words: Any) -> None:
    """Tell whoever trains; nobody may be left to hear it."""
    with contextlib.suppress(OSError):
        say(json.dumps(words), whole=True)
        sys.stdout.flush()
