# SPDX-License-Identifier: Apache-2.0
"""A run folder fetched from its mirror, verified file by file, and the mirror taken over: it goes on from here."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from boxwright.system.buckets.address import Address, AwayError, BucketError, ElsewhereError, Store
from boxwright.system.buckets.held_file import digest_of
from boxwright.system.buckets.job import Job, new_owner, read_job, write_job
from boxwright.system.buckets.manifest import MANIFEST, Entry, Manifest, read_manifest
from boxwright.system.buckets.remote import opened
from boxwright.system.files import (
    free_disk_bytes,
    make_folder,
    make_unfinished_folder,
    move_new,
    remove,
)
from boxwright.system.run_folder import RunFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LOOKS = 5  # at a manifest while somebody still writes to the mirror
SPARE_BYTES = 64 << 20  # of the disk that stay free


def local_or_fetched(address: Address, target: Path, tell: Callable[[str], None], store: Store | None = None) -> Path:
    """The run of a mirror in a folder here: the one that is mirrored there already, else fetched into a new one.

    Raises BucketError, and ElsewhereError for a folder that is something else.
    """
    store = store or opened(address)
    manifest = read_manifest(store)
    if manifest is None or not manifest.files:
        raise BucketError(str(address), "there is no mirror of a run", "Check the address: gs://BUCKET/PROJECT/RUN")
    job = read_job(target) if target.is_dir() else None
    if job is not None and job.address == str(address) and job.owner == manifest.owner:
        tell(f"{target} is the run that {address} mirrors, and goes on as it is here")
        return target
    if target.exists():
        what = f"is there already, and is not what {address} holds now"
        raise ElsewhereError(str(target), what, "Move it away, or fetch into another folder with --project")
    return _fetched(store, manifest, target, tell)


def _fetched(store: Store, manifest: Manifest, target: Path, tell: Callable[[str], None]) -> Path:
    total = sum(entry.length for entry in manifest.files.values())
    make_folder(target.parent)
    if total + SPARE_BYTES > free_disk_bytes(target.parent):
        what = f"takes {total / 1e6:,.1f} MB, and the disk has {free_disk_bytes(target.parent) / 1e6:,.1f} MB left"
        raise BucketError(str(store.address), what, "Free some space, or choose another --project")
    tell(f"fetching {store.address}: {len(manifest.files)} files, {total / 1e6:,.1f} MB, into {target}")
    job = Job(str(store.address), _bucket_of(store.address), new_owner(), secrets.token_hex(8))
    # From here on nobody else writes there: who did notices before the next file.
    taken = manifest.of(job.owner)
    store.write(MANIFEST, taken.content())
    beside = make_unfinished_folder(target.parent)
    try:
        found = _files(store, taken, beside)
        store.write(MANIFEST, Manifest(job.owner, found).content())
        write_job(beside, job)
        make_folder((beside / RunFile.LAST).parent)
        move_new(beside, target)
    finally:
        remove(beside)
    return target


def _bucket_of(address: Address) -> str:
    """The bucket; of a folder, the one that the run's lies in."""
    return str(address.parent) if address.scheme == "file" else address.root


def _files(store: Store, manifest: Manifest, folder: Path) -> dict[str, Entry]:
    """Fetch every file, the newest state first: others may be newer than it, as they may be in the folder itself."""
    names = sorted({*manifest.files, *manifest.coming}, key=lambda name: (name != RunFile.LAST, name))
    found: dict[str, Entry] = {}
    for name in names:
        for attempt in range(LOOKS):
            entry = _file(store, manifest, name, folder)
            if entry is not None or name not in manifest.files:
                break
            remove(folder / name)
            if attempt == LOOKS - 1:
                what = "is not what the manifest says: damaged, or replaced by somebody else"
                raise AwayError(f"{store.address}/{name}", what, "Try again; else take another copy of the run")
            manifest = _looked_again(store, manifest)
        if entry is not None:
            found[name] = entry
    return found


def _looked_again(store: Store, manifest: Manifest) -> Manifest:
    """What whoever wrote there last announced before it noticed; our own claim on it stays."""
    newest = read_manifest(store)
    if newest is None or newest.owner == manifest.owner:
        return manifest
    both = manifest.with_coming(newest.files)
    for name, entries in newest.coming.items():
        for entry in entries:
            both = both.with_coming({name: entry})
    store.write(MANIFEST, both.content())
    return both


def _file(store: Store, manifest: Manifest, name: str, folder: Path) -> Entry | None:
    """One file that is as it should be, with its tag; None for another one, or none."""
    known = [*([manifest.files[name]] if name in manifest.files else []), *manifest.coming.get(name, ())]
    facts = store.facts(name)
    if facts is None or facts.size not in {entry.length for entry in known}:
        return None
    place = folder / name
    make_folder(place.parent)
    sha256 = store.get(name, place, facts.size)
    if digest_of(place) != sha256:
        raise AwayError(str(place), "does not hold what was written to it", "Check the disk")
    entry = Entry(place.stat().st_size, sha256, facts.tag)
    if manifest.expects(name, entry):
        return entry
    remove(place)
    return None
