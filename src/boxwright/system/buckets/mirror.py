# SPDX-License-Identifier: Apache-2.0
"""Brings a run folder and its mirror in a bucket together: what changed is sent, verified, and then listed.

At any moment the mirror can be gone on from. Of everything that is sent a copy is held first, that of the newest state
before those of all other files, and that state is sent last: as in the folder itself, it stands for what was written
before it. The state before it has its own place, and is there before the newest one is replaced. That a run is done is
sent behind all of it, and is taken back before anything else of one that goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from boxwright.paths import open_regular, read_regular
from boxwright.system.buckets.address import AwayError, BucketError, ElsewhereError, Store, require_key
from boxwright.system.buckets.held_file import hold_file
from boxwright.system.buckets.job import Job, read_job
from boxwright.system.buckets.manifest import MANIFEST, MOST_FILES, Entry, Manifest, read_manifest
from boxwright.system.files import PREVIOUS, TEMPORARY_MARK, WriteError, remove
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from collections.abc import Iterable

IN_MEMORY = 1 << 20  # bytes of a file up to which it is held in memory
COPIED = 1 << 20  # bytes from which on a second name inside the bucket is worth a request
LOOK_S, SLOWEST = 60.0, 5e6  # a disk gives so many bytes a second
WEIGHTS = ".pt"  # files of this kind are replaced, never added to
LEFT_OUT = {RunFile.CLAIM, RunFile.STARTS, RunFile.BUCKET}  # of this machine alone
STATE = Path(RunFile.LAST).stem


class SupersededError(BucketError):
    """Somebody else sends from this folder now, or the folder is gone."""


class Stamp(NamedTuple):
    """Size, time and number of a file: what tells that it is the same one as before."""

    size: int
    changed_ns: int
    number: int


@dataclass(frozen=True)
class Digested:
    """What a file held when it was looked at."""

    stamp: Stamp
    entry: Entry
    md5: str


@dataclass(frozen=True)
class Held(Digested):
    """The same, held for sending: in memory, or under a second name."""

    content: bytes | None
    path: Path | None


class Behind(NamedTuple):
    """What has not arrived."""

    files: int
    size: int


class Mirror:
    """One sender of one run folder. `store` is its place, `bucket` the bucket as a whole, for further places."""

    def __init__(self, folder: Path, job: Job, store: Store, bucket: Store) -> None:
        self.folder, self.job, self.store, self.bucket = folder, job, store, bucket
        self._arrived: dict[str, Entry] | None = None  # what is known to be in the bucket; None before the first look
        self._left: set[str] = set()  # what a sender that was cut off could not remove
        self._known: dict[str, Digested] = {}
        self._copied: dict[str, Entry] = {}

    def sync(self) -> Behind:
        """Send what changed; what changed meanwhile. Raises BucketError, ElsewhereError, SupersededError."""
        self._require_turn()
        remote = self._remote()
        if self._arrived is None:
            self.store.sweep()
            self._arrived = self._looked_at(remote)
        names = self._names()
        gone = {*remote.files, *remote.coming, *self._left} - set(names)
        held: dict[str, Held] = {}
        try:
            for name in reversed(names):  # the newest state first
                self._hold(name, held)
            if changed := {name: one.entry for name, one in held.items()}:
                self._write(remote.without(gone & {RunFile.DONE}).with_coming(changed))
            for name in (name for name in names if name in held):
                self._require_turn()
                if _rank(name):
                    self._remote()
                self._send(name, held[name])
        finally:
            for one in held.values():
                if one.path is not None:
                    remove(one.path)
        self._list(names, remote if not changed else None)
        for name in gone:
            self.store.remove(name)
            self._there.pop(name, None)
            self._left.discard(name)
        self._copy_elsewhere()
        return self.behind()

    def behind(self) -> Behind:
        """What has not arrived as it is now; looked at without reading."""
        late = [name for name in self._names() if not self._is_there(name)]
        copies = [name for name, to in self.job.copies if not self._is_there(name, self._copied.get(to))]
        sizes = [_stamp(self.folder / name) for name in {*late, *copies}]
        return Behind(len(sizes), sum(stamp.size for stamp in sizes if stamp is not None))

    # -- what is here

    def _names(self) -> list[str]:
        """The files of the run in the order in which they are sent. What cannot have that name elsewhere stays here."""
        found = []
        for place, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if TEMPORARY_MARK not in name]
            for file in files:
                path = Path(place, file)
                name = path.relative_to(self.folder).as_posix()
                if name in LEFT_OUT or TEMPORARY_MARK in file or name == MANIFEST or _stamp(path) is None:
                    continue
                with contextlib.suppress(BucketError):
                    found.append(require_key(name, str(self.folder)))
        return sorted(found, key=lambda name: (_rank(name), name))[-MOST_FILES // 2 :]

    def _is_there(self, name: str, arrived: Entry | None = None) -> bool:
        known, stamp = self._known.get(name), _stamp(self.folder / name)
        arrived = arrived or (self._arrived or {}).get(name)
        return stamp is None or (known is not None and known.stamp == stamp and known.entry.same(arrived))

    def _hold(self, name: str, held: dict[str, Held]) -> None:
        """Hold a file for sending, when it is not in the bucket as it is now."""
        if self._is_there(name):
            return
        path = self.folder / name
        stamp = _stamp(path)
        try:
            if stamp is not None and stamp.size <= IN_MEMORY:
                content = read_regular(path, 2 * IN_MEMORY)
                entry, md5 = _digests((content,))
                one = Held(stamp, entry, md5, content, None)
            elif stamp is not None:
                self.store.announce(f"reading {name}", LOOK_S + stamp.size / SLOWEST)
                place = hold_file(path, by_link=path.suffix == WEIGHTS)
                with open_regular(place) as file:
                    entry, md5 = _digests(iter(lambda: file.read(IN_MEMORY), b""))
                one = Held(stamp, entry, md5, None, place)
            else:
                return
        except FileNotFoundError:
            return  # it went away meanwhile
        except (OSError, WriteError) as error:
            raise AwayError(str(path), f"cannot be read for the bucket ({error})", "Check the disk") from None
        self._known[name] = one
        if one.entry.same(self._there.get(name)):
            if one.path is not None:
                remove(one.path)
            return
        held[name] = one

    # -- what is there

    @property
    def _there(self) -> dict[str, Entry]:
        return {} if self._arrived is None else self._arrived

    def _remote(self) -> Manifest:
        """The manifest, which has to be ours or, at the first look, to have no run. Raises ElsewhereError."""
        found = read_manifest(self.store)
        if found is None:
            return Manifest(self.job.owner)
        if found.owner != self.job.owner and found.is_empty and self._arrived is None:
            return found.of(self.job.owner)
        require_owner(found, self.job)
        return found

    def _looked_at(self, remote: Manifest) -> dict[str, Entry]:
        """What of the manifest is in the bucket as it arrived: whoever sent it may have been cut off."""
        there = self.store.names()
        self._left = set(there) & {RunFile.DONE}  # others may be somebody else's
        return {
            name: entry
            for name, entry in remote.files.items()
            if name in there and (there[name].size, there[name].tag) == (entry.length, entry.tag)
        }

    def _send(self, name: str, held: Held) -> None:
        """Send, and verify what arrived. Raises AwayError."""
        there = self._there
        twin = next((other for other, entry in there.items() if held.entry.same(entry) and other != name), "")
        there.pop(name, None)  # until it is verified
        sent = twin and held.entry.length > COPIED and self._copied_inside(twin, name, held)
        if not sent:
            _put(self.store, name, held)
        tag = _verified(self.store, name, held)
        if tag is None:
            what = "has not arrived as it was sent"
            raise AwayError(f"{self.store.address}/{name}", what, "It is sent again")
        there[name] = Entry(held.entry.length, held.entry.sha256, tag)

    def _copied_inside(self, twin: str, name: str, held: Held) -> bool:
        try:
            self.store.copy(twin, name)
            return _verified(self.store, name, held) is not None
        except BucketError:
            return False

    def _list(self, names: Iterable[str], before: Manifest | None) -> None:
        """Write down what is there, where that is another list than before."""
        after = Manifest(self.job.owner, {name: self._there[name] for name in names if name in self._there})
        if after != before:
            self._write(after)

    def _write(self, manifest: Manifest) -> None:
        content = manifest.content()
        self.store.write(MANIFEST, content)
        if self.store.read(MANIFEST, len(content)) != content:
            raise AwayError(f"{self.store.address}/{MANIFEST}", "has not arrived as it was sent", "It is sent again")

    def _copy_elsewhere(self) -> None:
        """The further places in the bucket."""
        for name, to in self.job.copies:
            held: dict[str, Held] = {}
            arrived = self._there.pop(name, None)  # so that it is held
            try:
                if not self._is_there(name, self._copied.get(to)):
                    self._hold(name, held)
                if one := held.get(name):
                    _put(self.bucket, to, one)
                    if _verified(self.bucket, to, one) is None:
                        raise AwayError(f"{self.bucket.address}/{to}", "has not arrived as it was sent", "Try again")
                    self._copied[to] = one.entry
            finally:
                if arrived is not None:
                    self._there[name] = arrived
                if (one := held.get(name)) is not None and one.path is not None:
                    remove(one.path)

    def _require_turn(self) -> None:
        """Raise SupersededError when another sender has this folder; take what its job says now."""
        job = read_job(self.folder)
        if job is None or job.turn != self.job.turn:
            raise SupersededError(str(self.folder), "is sent by another process now, or is gone")
        self.job = job


def require_owner(found: Manifest, job: Job) -> None:
    """Raise ElsewhereError where a mirror is that of another folder."""
    if found.owner != job.owner:
        what = "belongs to another run, or this run goes on from there on another machine"
        remedy = f"Go on with what is there by --resume {job.address}, or mirror to another place"
        raise ElsewhereError(job.address, what, remedy)


def _rank(name: str) -> int:
    """In which order files are sent: others, weights, the state before, the newest state, and that it was the last."""
    path = Path(name)
    if name == RunFile.DONE:
        return 4
    if path.parent != Path(RunFile.LAST).parent:
        return 0
    if not path.stem.startswith(STATE):
        return 1
    return 2 if PREVIOUS in path.stem else 3


def _stamp(path: Path) -> Stamp | None:
    """None for what is no regular file, or not there."""
    try:
        found = path.lstat()
    except OSError:
        return None
    is_regular = stat.S_ISREG(found.st_mode)
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ino) if is_regular else None


def _digests(pieces: Iterable[bytes]) -> tuple[Entry, str]:
    sha256, md5, length = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    for piece in pieces:
        sha256.update(piece)
        md5.update(piece)
        length += len(piece)
    return Entry(length, sha256.hexdigest()), md5.hexdigest()


def _put(store: Store, name: str, held: Held) -> None:
    if held.content is not None:
        store.write(name, held.content)
    elif held.path is not None:
        store.put(name, held.path)


def _verified(store: Store, name: str, held: Held) -> str | None:
    """The tag of an object that holds what was sent; None for one that does not, or is not there.

    Where the store states no MD5, or none of the content as it is, the object is read back.
    """
    facts = store.facts(name)
    if facts is None or facts.size != held.entry.length:
        return None
    sound = facts.md5 == held.md5 or store.digest(name) == held.entry.sha256
    return facts.tag if sound else None
