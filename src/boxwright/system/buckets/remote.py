# SPDX-License-Identifier: Apache-2.0
"""Objects of S3 and of Google Cloud Storage, through fsspec. The one door to their clients.

Each step has a time after which it is given up, whatever the client thinks. Settings of the service (keys, regions,
endpoints) are those of the environment that users of the clients know.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import importlib.util
import logging
import re
from typing import TYPE_CHECKING, Any

from boxwright.errors import SettingError, printable
from boxwright.paths import open_regular, shortened
from boxwright.system.buckets.address import (
    EXTRAS,
    Address,
    AwayError,
    BucketError,
    Facts,
    Store,
    require_key,
)
from boxwright.system.buckets.folder import FolderStore
from boxwright.system.files import stream_to
from boxwright.system.places import prepare_bucket_clients

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CONNECT_S, SILENCE_S, STEP_S = 5.0, 15.0, 40.0
WHOLE_S = 600.0  # of one request of Google's client, which sends at most 50 MB in one
SLOWEST = 100e3  # bytes a second; a transfer that is slower than this is given up
PIECE = 16 << 20  # fetched in one request
TRIES = 2  # of the client itself; whoever calls tries again later
CHATTY = ("gcsfs", "s3fs", "fsspec", "aiobotocore", "botocore", "asyncio", "google", "urllib3")
_MD5 = re.compile(r"[0-9a-f]{32}")
# Words of the services' answers and of their clients, and what they mean; the first that is found counts.
_REFUSALS = (
    (
        ("RequestTimeTooSkewed", "difference between the request time"),
        "the clock of this machine is too far from the service's",
        "Set the clock right",
    ),
    (
        (
            "InvalidAccessKeyId",
            "does not exist in our records",
            "SignatureDoesNotMatch",
            "ExpiredToken",
            "InvalidToken",
        ),
        "the credentials are not accepted",
        "Check the keys in the environment or the profile",
    ),
    (
        ("NoCredentials", "Unable to locate credentials", "DefaultCredentials", "could not find credentials"),
        "there are no credentials",
        "Set them in the environment as for any client of the service",
    ),
    (
        ("AccessDenied", "Forbidden", "PermissionError", "Access Denied", "Unauthorized", "Anonymous caller", "401"),
        "it may not be used with these credentials",
        "Ask for leave to list, read and write",
    ),
    (("NoSuchBucket", "bucket does not exist"), "there is no such bucket", "Make it, or correct the name"),
)


def require_client(address: Address, where: str) -> None:
    """Raise SettingError where the package for this kind of bucket is not installed."""
    if address.scheme not in EXTRAS:
        return
    extra, package = EXTRAS[address.scheme]
    if importlib.util.find_spec(package) is None:
        remedy = f"Install it: pip install 'boxwright[{extra}]'"
        raise SettingError(where, f"{address} needs the package {package}, which is not installed", remedy)


def opened(address: Address) -> Store:
    """The store at an address; nothing is asked of it yet. Raises SettingError without the package for it."""
    require_client(address, str(address))
    return FolderStore(address) if address.scheme == "file" else RemoteStore(address)


def _nobody(_what: str, _seconds: float) -> None:
    """Nobody listens."""


class RemoteStore:
    """Objects below an address of S3 or GCS."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.announce: Callable[[str, float], None] = _nobody
        emulated = prepare_bucket_clients()
        import fsspec.asyn  # noqa: PLC0415 -- its clients are extras, only for those who use them

        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        how: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if address.scheme == "s3":
            retries = {"max_attempts": TRIES}
            how["config_kwargs"] = {"connect_timeout": CONNECT_S, "read_timeout": SILENCE_S, "retries": retries}
        else:
            how |= {"requests_timeout": WHOLE_S, **({"token": "anon"} if emulated else {})}
        self._sync = fsspec.asyn.sync
        self._client: Any = fsspec.filesystem(address.scheme, **how)
        self._client.retries = TRIES

    def put(self, name: str, path: Path) -> None:
        size = path.stat().st_size
        with open_regular(path):  # nothing but a regular file is handed on
            send = self._client._put_file  # noqa: SLF001 -- the clients' own functions are what fsspec.asyn waits for
            self._ask_bucket(f"sending {name}", send, str(path), self._at(name), size=size)

    def write(self, name: str, content: bytes, *, new: bool = False) -> bool:
        mode = "create" if new else "overwrite"
        try:
            send = self._client._pipe_file  # noqa: SLF001 -- as above
            self._ask_bucket(f"sending {name}", send, self._at(name), content, mode=mode, size=len(content))
        except _TakenError:
            return False
        return True

    def read(self, name: str, most_bytes: int) -> bytes | None:
        facts = self.facts(name)
        if facts is None:
            return None
        return b"".join(self._pieces(name, facts.size, most_bytes))

    def get(self, name: str, target: Path, most_bytes: int) -> str:
        digest = hashlib.sha256()
        facts = self._there(name)

        def hashed() -> Iterator[bytes]:
            for piece in self._pieces(name, facts.size, most_bytes):
                digest.update(piece)
                yield piece

        stream_to(target, hashed())
        return digest.hexdigest()

    def digest(self, name: str) -> str:
        digest, facts = hashlib.sha256(), self._there(name)
        for piece in self._pieces(name, facts.size, facts.size):
            digest.update(piece)
        return digest.hexdigest()

    def facts(self, name: str) -> Facts | None:
        try:
            return _facts(self._ask(f"looking at {name}", self._client._info, self._at(name)))  # noqa: SLF001 -- as above
        except _AbsentError:
            return None
        except AwayError:
            raise
        except BucketError:
            self.names(name)  # S3 answers this question without a word on why it refuses, and that one with it
            raise

    def names(self, prefix: str = "") -> dict[str, Facts]:
        base = f"{self.address.bucket}/{self.address.key}".rstrip("/")
        folder = prefix.rpartition("/")[0]
        place = f"{base}/{folder}" if folder else base
        find = self._client._find  # noqa: SLF001 -- as above
        found = self._ask_bucket(f"listing {self.address}", find, place, detail=True)
        below = {name.removeprefix(f"{base}/"): info for name, info in found.items() if name.startswith(f"{base}/")}
        return {
            name: _facts(info)
            for name, info in below.items()
            if name.startswith(prefix) and name and not name.endswith("/") and info.get("type") == "file"
        }

    def copy(self, name: str, other: str) -> None:
        copy = self._client._cp_file  # noqa: SLF001 -- as above
        self._ask(f"copying {name}", copy, self._at(name), self._at(other), size=PIECE)

    def remove(self, name: str) -> None:
        try:
            self._ask(f"removing {name}", self._client._rm_file, self._at(name))  # noqa: SLF001 -- as above
        except _AbsentError:
            return

    def sweep(self) -> None:
        """An object is there whole or not at all."""

    # -- asking

    def _at(self, name: str) -> str:
        return f"{self.address.bucket}/{(self.address / name).key}"

    def _there(self, name: str) -> Facts:
        facts = self.facts(require_key(name, str(self.address)))
        if facts is None:
            raise BucketError(f"{self.address}/{name}", "is not there", "Check the address")
        return facts

    def _pieces(self, name: str, size: int, most_bytes: int) -> Iterator[bytes]:
        """The content in pieces. Raises BucketError for one that is larger than allowed, or changed meanwhile."""
        if size > most_bytes:
            what = f"has {size:,} bytes, over the limit of {most_bytes:,}"
            raise BucketError(f"{self.address}/{name}", what, "Check it")
        for start in range(0, size, PIECE):
            end = min(start + PIECE, size)
            ask = self._client._cat_file  # noqa: SLF001 -- as above
            piece = self._ask(f"fetching {name}", ask, self._at(name), start=start, end=end, size=end - start)
            if len(piece) != end - start:
                raise AwayError(f"{self.address}/{name}", "changed or was cut off while it was fetched", "Try again")
            yield piece

    def _ask(self, what: str, function: Callable[..., Any], *words: Any, size: int = 0, **more: Any) -> Any:
        """The answer to one request, within a time. Raises BucketError, AwayError, and those of this file."""
        seconds = STEP_S + size / SLOWEST
        self.announce(what, seconds)
        try:
            return self._sync(self._client.loop, function, *words, timeout=seconds, **more)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 -- a client raises whatever it and its libraries have
            raise self._fault(error) from None

    def _ask_bucket(self, what: str, function: Callable[..., Any], *words: Any, size: int = 0, **more: Any) -> Any:
        """The same where nothing but the bucket itself can be missing."""
        try:
            return self._ask(what, function, *words, size=size, **more)
        except _AbsentError:
            raise BucketError(self.address.root, "there is no such bucket", "Make it, or correct the name") from None

    def _fault(self, error: Exception) -> Exception:
        chain = [error, *(one for one in (error.__cause__, error.__context__) if one is not None)]
        words = " ".join(f"{type(one).__name__} {one}" for one in chain)
        code = getattr(error, "code", None)
        for known, what, remedy in _REFUSALS:
            if any(word in words for word in known if not word.isdecimal() or str(code) == word):
                return BucketError(self.address.root, what, remedy)
        if isinstance(error, FileExistsError):
            return _TakenError()
        if isinstance(error, FileNotFoundError):
            return _AbsentError()
        reason = shortened(printable(" ".join(str(error).split())), 120)
        reason = reason or ("it takes too long" if isinstance(error, TimeoutError) else type(error).__name__)
        return AwayError(str(self.address), f"does not answer as it should ({reason})", "Check service and connection")


class _TakenError(AwayError):
    """An object that was to be new is there."""

    def __init__(self) -> None:
        super().__init__("the bucket", "has an object of this name")


class _AbsentError(AwayError):
    """An object, or the bucket, is not there."""

    def __init__(self) -> None:
        super().__init__("the bucket", "has no such place", "Check bucket and credentials")


def _facts(info: dict[str, Any]) -> Facts:
    """What both services call size and content."""
    etag = str(info.get("ETag") or info.get("etag") or "").strip('"')
    md5 = etag if _MD5.fullmatch(etag) else ""
    if told := info.get("md5Hash"):
        try:
            md5 = base64.b64decode(str(told), validate=True).hex()
        except binascii.Error:
            md5 = ""
    tag = str(info.get("generation") or etag or info.get("LastModified") or "")
    return Facts(int(info.get("size") or 0), tag, md5)
