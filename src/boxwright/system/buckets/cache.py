# SPDX-License-Identifier: Apache-2.0
"""Objects of a bucket on the local disk: fetched once, looked at again each time, bounded, with a digest of each file.

A record beside them says of every object how the bucket calls its content, and what the file here was when it arrived.
What changed there is fetched again, and so is what changed here; of everything else nothing is read from the bucket.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwright.paths import read_regular, shortened
from boxwright.system.buckets.address import Address, AwayError, BucketError, Facts, Store, require_key
from boxwright.system.buckets.held_file import digest_of
from boxwright.system.files import (
    TEMPORARY_MARK,
    fitting,
    free_disk_bytes,
    make_folder,
    remove,
    rename,
    write_text,
)
from boxwright.system.places import bucket_cache_bytes, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

AT_ONCE = 8  # objects that are fetched side by side
SAVED_EVERY_S = 20.0  # what has arrived is written down so often
MAX_RECORD_BYTES = 1 << 30
MOST_OBJECTS = 5_000_000
SPARE_BYTES = 256 << 20  # of the disk that stay free
GIB = 2**30


@dataclass
class Record:
    """What is here of an address: name -> size and tag in the bucket, SHA-256, and size and time of the file here."""

    address: str
    objects: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(int(words[0]) for words in self.objects.values())


def replica(
    store: Store,
    kinds: Iterable[str],
    progress: Callable[[int, int], object] = lambda _done, _all: None,
    *,
    looking: bool = True,
) -> Path:
    """The folder that holds all objects of these suffixes below an address, as they are now.

    Without `looking` it is the folder as it was last, and nothing is asked of the bucket. Raises BucketError.
    """
    place, record = folder_of(store.address), read_record(store.address)
    if not looking:
        if not record.objects:
            raise BucketError(
                str(store.address), "has never been fetched, and nothing is fetched now", "Fetch it first"
            )
        return place
    wanted = _listed(store, frozenset(kinds))
    _require_room(store.address, record, wanted)
    missing = [name for name, facts in wanted.items() if not _is_here(place, name, facts, record)]
    for name in [name for name in record.objects if name not in wanted]:
        remove(place / name)
        del record.objects[name]
    _fetch(store, place, {name: wanted[name] for name in missing}, record, progress)
    write_record(record)  # also to say that it was used
    return place


def cached_object(store: Store, name: str, most_bytes: int) -> Path:
    """One object as a file here, fetched when it is not here as it is there. Raises BucketError."""
    facts = store.facts(name)
    if facts is None:
        raise BucketError(f"{store.address}/{name}", "is not there", "Check the address")
    if facts.size > most_bytes:
        raise BucketError(
            f"{store.address}/{name}", f"has {facts.size:,} bytes, over the limit of {most_bytes:,}", "Check it"
        )
    place, record = folder_of(store.address), read_record(store.address)
    if not _is_here(place, name, facts, record):
        _require_room(store.address, record, {name: facts})
        _fetch(store, place, {name: facts}, record, lambda _done, _all: None)
    write_record(record)
    return place / name


def folder_of(address: Address) -> Path:
    """Where objects of an address lie here."""
    return Path(cache_folder() / "buckets" / "objects" / address.scheme, address.bucket.strip("/"), address.key)


def _record_of(address: Address) -> Path:
    name = hashlib.sha256(str(address).encode()).hexdigest()[:24]
    return cache_folder() / "buckets" / "records" / f"{name}.json"


def read_record(address: Address) -> Record:
    """The record of an address; an empty one where there is none, or none that can be used."""
    return _read(_record_of(address), str(address)) or Record(str(address))


def _read(path: Path, address: str = "") -> Record | None:
    try:
        document = json.loads(read_regular(path, MAX_RECORD_BYTES))
        objects = {str(name): list(words) for name, words in document["objects"].items()}
        sound = all(len(words) == 5 and isinstance(words[0], int) for words in objects.values())  # noqa: PLR2004 -- see Record
        found = str(document["address"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return Record(found, objects) if sound and (not address or found == address) else None


def write_record(record: Record) -> None:
    """Keep it. Raises WriteError."""
    path = _record_of(Address(*_parts(record.address)))
    make_folder(path.parent)
    write_text(path, json.dumps({"address": record.address, "objects": record.objects}), durable=False)


def _parts(address: str) -> tuple[str, str, str]:
    scheme, _, rest = address.partition("://")
    if scheme == "file":
        return scheme, rest, ""
    bucket, _, key = rest.partition("/")
    return scheme, bucket, key


def _listed(store: Store, kinds: frozenset[str]) -> dict[str, Facts]:
    """What there is to have. Raises BucketError for names that lead out, and for more than anybody has."""
    found: dict[str, Facts] = {}
    for name, facts in store.names().items():
        if os.path.splitext(name)[1].lower() in kinds:  # noqa: PTH122 -- a path object for each of a million is felt
            found[require_key(name, str(store.address))] = facts
    if not found:
        raise BucketError(str(store.address), "holds no pictures, labels or lists", "Check the address")
    if len(found) > MOST_OBJECTS:
        raise BucketError(str(store.address), f"holds {len(found):,} files", "Name a folder in it")
    return found


def _require_room(address: Address, record: Record, wanted: dict[str, Facts]) -> None:
    """Raise BucketError where the cache would become larger than it may, or the disk full."""
    most, size = bucket_cache_bytes(), sum(facts.size for facts in wanted.values())
    records = cache_folder() / "buckets" / "records"
    others = [
        (path.stat().st_mtime, other)
        for path in (records.glob("*.json") if records.is_dir() else ())
        if path != _record_of(address) and (other := _read(path)) is not None
    ]
    used = sum(other.size for _, other in others)
    if used + size > most:
        oldest = min(others, key=lambda one: one[0])[1].address if others else ""
        more = f", beside {used / GIB:.1f} GiB of others" if used else ""
        what = f"takes {size / GIB:.1f} GiB{more}, and the cache of buckets may have {most / GIB:.1f}"
        first = f"Remove {folder_of(Address(*_parts(oldest)))}, which was used longest ago, or set" if oldest else "Set"
        raise BucketError(str(address), what, f"{first} BOXWRIGHT_BUCKET_CACHE_GIB higher")
    new = size - sum(int(record.objects[name][0]) for name in wanted if name in record.objects)
    if new + SPARE_BYTES > (free := free_disk_bytes(cache_folder())):
        what = f"takes {new / GIB:.1f} GiB more, and the disk has {free / GIB:.1f} left"
        raise BucketError(str(address), what, "Free some space, or set BOXWRIGHT_CACHE to another disk")


def _is_here(place: Path, name: str, facts: Facts, record: Record) -> bool:
    """Whether a file is here as the bucket has it. One that was touched since it arrived is read."""
    words = record.objects.get(name)
    if words is None or (words[0], words[1]) != (facts.size, facts.tag):
        return False
    _, _, sha256, size, changed_ns = words
    try:
        found = (place / name).lstat()
        if found.st_size != size:
            return False
        if found.st_mtime_ns == changed_ns:
            return True
        return digest_of(place / name) == str(sha256)
    except OSError:
        return False


def _fetch(
    store: Store, place: Path, wanted: dict[str, Facts], record: Record, progress: Callable[[int, int], object]
) -> None:
    """Fetch objects side by side, each verified before it has its name. Raises BucketError, WriteError."""
    saved = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(_one, store, place, name, facts) for name, facts in wanted.items()]
        try:
            for done, (name, task) in enumerate(zip(wanted, waiting, strict=True), 1):
                record.objects[name] = task.result()
                progress(done, len(wanted))
                if time.monotonic() - saved > SAVED_EVERY_S:
                    write_record(record)
                    saved = time.monotonic()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            arrived = zip(wanted, waiting, strict=True)
            sound = {name: task for name, task in arrived if not task.cancelled() and task.exception() is None}
            record.objects |= {name: task.result() for name, task in sound.items()}
            write_record(record)  # what has arrived is not fetched again
            raise


def _one(store: Store, place: Path, name: str, facts: Facts) -> list[Any]:
    target = place / name
    part = target.with_name(f".{fitting(target.name)}{TEMPORARY_MARK}{secrets.token_hex(6)}")
    make_folder(target.parent)
    try:
        sha256 = store.get(name, part, facts.size)
        size = part.stat().st_size
        if size != facts.size or (facts.md5 and facts.md5 != digest_of(part, "md5") and store.digest(name) != sha256):
            raise AwayError(f"{store.address}/{shortened(name)}", "has not arrived as it is there", "Try again")
        changed_ns = part.stat().st_mtime_ns
        rename(part, target)
        return [facts.size, facts.tag, sha256, size, changed_ns]
    finally:
        remove(part)
