# SPDX-License-Identifier: Apache-2.0
"""Addresses of buckets, what can go wrong there, and what a store of objects can do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from boxwright.errors import EXIT_TRY_AGAIN, UserError, printable
from boxwright.paths import shortened

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMES = ("gs", "s3", "file")
EXTRAS = {"gs": ("gcs", "gcsfs"), "s3": ("s3", "s3fs")}  # by scheme: the extra, and the package it brings
LONGEST_KEY = 1024  # bytes, as both services have it
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]")
_FORMS = "Give gs://BUCKET, s3://BUCKET or file:///FOLDER, with folders behind it as you like; a bare BUCKET is gs://"
_PART_BYTES = 255


class BucketError(UserError):
    """Something that cannot be done at a bucket, and will not be by itself."""


class AwayError(BucketError):
    """A bucket that does not answer, or not as it should: another time it may."""

    exit_code = EXIT_TRY_AGAIN


class ElsewhereError(BucketError):
    """A place in a bucket that belongs to another run, or to the same one on another machine."""


@dataclass(frozen=True)
class Address:
    """A place in a bucket: scheme, bucket (of file:// the folder of its first part) and the key below it."""

    scheme: str
    bucket: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.root}{f'/{self.key}' if self.key else ''}"

    @property
    def root(self) -> str:
        """The bucket alone."""
        return f"{self.scheme}://{self.bucket}"

    def __truediv__(self, name: str) -> Address:
        """A place below."""
        require_key(name, str(self))
        return Address(self.scheme, self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def parent(self) -> Address:
        """The place above."""
        if self.scheme == "file" and not self.key:
            return Address("file", str(Path(self.bucket).parent))
        return Address(self.scheme, self.bucket, self.key.rpartition("/")[0])

    @property
    def name(self) -> str:
        """The last part."""
        return (self.key or self.bucket).rpartition("/")[2]


class Facts(NamedTuple):
    """What a store says of an object. `tag` changes with its content; `md5` in hex, '' where it does not say."""

    size: int
    tag: str
    md5: str = ""


class Store(Protocol):
    """Objects below one address, by names with slashes. All raise BucketError, and AwayError for what may pass."""

    address: Address
    announce: Callable[[str, float], None]  # hears of each step what it is, and after how many seconds it is given up

    def put(self, name: str, path: Path) -> None:
        """Send a file, in place of an object of this name: the old one or the new one is there, nothing between."""
        ...

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        """Send bytes. `new`: only where nothing has this name; False when something has."""
        ...

    def read(self, name: str, most_bytes: int) -> bytes | None:
        """A small object; None when there is none."""
        ...

    def get(self, name: str, target: Path, most_bytes: int) -> str:
        """Fetch an object into a new file; its SHA-256. Raises BucketError for one that is not there, or larger."""
        ...

    def digest(self, name: str) -> str:
        """The SHA-256 of an object, read from there."""
        ...

    def facts(self, name: str) -> Facts | None:
        """Size and tag; None when there is no such object."""
        ...

    def names(self, prefix: str = "") -> dict[str, Facts]:
        """All objects whose names begin so. Raises BucketError where there is no such bucket."""
        ...

    def copy(self, name: str, other: str) -> None:
        """Give an object a second name, inside of the store."""
        ...

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        ...

    def sweep(self) -> None:
        """Remove what a put that was cut off has left. For the only one who puts here."""
        ...


def is_address(text: str) -> bool:
    """Whether this names a bucket, sound or not."""
    return text.partition("://")[0] in SCHEMES and "://" in text


def read_address(text: str, where: str) -> Address:
    """An address as it was written; a bare NAME is gs://NAME. `where` is what errors call it. Raises BucketError."""
    scheme, found, rest = text.partition("://")
    shown = f"{where} {shortened(printable(text))}"
    if not found:
        scheme, rest = "gs", text
    if scheme not in SCHEMES:
        raise BucketError(shown, f"'{shortened(scheme)}' is no kind of bucket", _FORMS)
    if scheme == "file":
        if not rest or "\0" in rest:
            raise BucketError(shown, "names no folder", _FORMS)
        return Address("file", str(Path(rest).resolve()))
    bucket, _, key = rest.rstrip("/").partition("/")
    if not _BUCKET.fullmatch(bucket):
        remedy = "Write file://FOLDER for a folder" if not found and text[:1] in "./~" else _FORMS
        raise BucketError(shown, f"'{shortened(bucket)}' is no name of a bucket", remedy)
    address = Address(scheme, bucket)
    return address / key if key else address


def require_key(name: str, where: str) -> str:
    """A name that stays below its place, on every system. Raises BucketError."""
    parts = name.split("/")
    sound = (
        all(part not in {"", ".", ".."} and len(part.encode("utf-8", "replace")) <= _PART_BYTES for part in parts)
        and name.isprintable()
        and "\\" not in name
        and len(name.encode("utf-8", "replace")) <= LONGEST_KEY
    )
    if not sound:
        raise BucketError(where, f"'{shortened(printable(name))}' is no name for a file in it", "Rename or remove it")
    return name
