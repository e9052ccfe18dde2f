# SPDX-License-Identifier: Apache-2.0
"""The one door to the network.

Https only, to public addresses only, each redirect checked again, bounded in size and time.

The name is looked up once; connections go to the addresses that were checked, so no second look-up can lead elsewhere.
Time is that of the clock from the first step to the last; what comes over the wire is counted, headers as well.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boxwright.errors import UserError
from boxwright.system.addresses import fault_of, is_public, redirected, shown, split
from boxwright.system.files import remove, stream_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_REDIRECTS = 5
MAX_TRIED = 4  # addresses of one server
CHUNK = 1 << 20
HEADER_BYTES = 64 << 10
OVERHEAD = 8  # a body in chunks may be larger by one part in so many, and by HEADER_BYTES
REDIRECTS = frozenset((301, 302, 303, 307, 308))
HTTP_OK = 200
__all__ = ["FetchError", "Limits", "fetch", "is_public"]


class FetchError(UserError):
    """Something that cannot, or must not, be fetched."""


@dataclass(frozen=True)
class Limits:
    """What a fetch may take. `allowed` judges addresses; `trust` is what certificates are checked against."""

    max_bytes: int
    silence_s: float = 30.0
    total_s: float = 6 * 3600.0
    allowed: Callable[[str], bool] = is_public
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)


class _Budget:
    """What is left of the time, and of the bytes that the server may send until the next `allow`."""

    def __init__(self, limits: Limits) -> None:
        self.url, self._limits, self._left = "", limits, 0
        self._ends = time.monotonic() + limits.total_s

    def allow(self, count: int) -> None:
        """So many bytes from now on."""
        self._left = count

    def wait_s(self) -> float:
        """How long the next step may take. Raises FetchError when the time is over."""
        left = self._ends - time.monotonic()
        if left <= 0:
            what = f"takes longer than {self._limits.total_s:,.0f} seconds"
            raise FetchError(shown(self.url), what, "Fetch it by hand")
        return min(left, self._limits.silence_s)

    def spend(self, count: int) -> None:
        """Note bytes that came. Raises FetchError when they are too many."""
        self._left -= count
        if self._left < 0:
            raise FetchError(shown(self.url), "sends more around its content than is allowed", "Fetch it by hand")


class _CountedSocket(ssl.SSLSocket):
    """An encrypted connection that asks the budget before and after each piece; without one it is an ordinary one."""

    budget: _Budget | None = None

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if self.budget is not None:
            self.settimeout(self.budget.wait_s())
        count = super().recv_into(buffer, nbytes, flags)
        if self.budget is not None:
            self.budget.spend(count)
        return count


def fetch(url: str, target: Path, limits: Limits, progress: Callable[[int, int], None] | None = None) -> str:
    """Fetch into a new file; returns the SHA-256 of what came. Nothing stays when it fails. Raises FetchError."""
    budget, whole = _Budget(limits), False
    budget.url = url
    if os.path.lexists(target):
        raise FetchError(str(target), "is there already", "Nothing is fetched over a file")
    try:
        with _answer(budget, limits) as answer:
            stated = _stated(answer, budget.url, limits)
            digest = hashlib.sha256()
            budget.allow(limits.max_bytes + limits.max_bytes // OVERHEAD + HEADER_BYTES)
            pieces = _pieces(answer, budget, limits, digest.update)
            received = stream_to(target, pieces, lambda done: progress and progress(done, stated or 0))
        if stated is not None and received != stated:
            raise FetchError(shown(budget.url), f"ended after {received:,} of {stated:,} bytes", "Try again")
        whole = True
        return digest.hexdigest()
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        budget.wait_s()  # says so when the time is over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FetchError(
            shown(budget.url), f"cannot be fetched ({reason[:120]})", "Check the address and the connection"
        ) from None
    finally:
        if not whole:
            remove(target)


def _stated(answer: http.client.HTTPResponse, url: str, limits: Limits) -> int | None:
    """The length that the server states, None when it states none. Raises FetchError."""
    words = set(answer.headers.get_all("Content-Length") or ())
    if not words:
        return None
    word = words.pop().strip()
    if words or not re.fullmatch(r"[0-9]{1,18}", word):
        raise FetchError(shown(url), "states a length that is no number", "Fetch it by hand")
    if int(word) > limits.max_bytes:
        size, most = int(word) / 2**30, limits.max_bytes / 2**30
        raise FetchError(shown(url), f"is {size:.1f} GiB large, over the limit of {most:.1f}", "Raise --max-gib")
    return int(word)


def _pieces(
    answer: http.client.HTTPResponse, budget: _Budget, limits: Limits, update: Callable[[bytes], None]
) -> Iterator[bytes]:
    """The content as it comes, in pieces of at most CHUNK bytes."""
    received = 0
    while piece := answer.read1(CHUNK):
        received += len(piece)
        if received > limits.max_bytes:
            what = f"sends more than {limits.max_bytes / 2**30:.1f} GiB"
            raise FetchError(shown(budget.url), what, "Raise --max-gib")
        update(piece)
        yield piece


@contextlib.contextmanager
def _answer(budget: _Budget, limits: Limits) -> Iterator[http.client.HTTPResponse]:
    """The answer with the content, redirects followed, each checked as the first address was."""
    for _ in range(MAX_REDIRECTS + 1):
        url = budget.url
        connection, path = _connected(url, budget, limits)
        with contextlib.closing(connection):
            connection.request("GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "boxwright"})
            with contextlib.closing(connection.getresponse()) as answer:
                if answer.status not in REDIRECTS:
                    _require_plain(answer, url)
                    yield answer
                    return
                budget.url = redirected(url, answer.headers.get("Location") or "")
    raise FetchError(shown(budget.url), f"redirects more than {MAX_REDIRECTS} times", "Check the address")


def _require_plain(answer: http.client.HTTPResponse, url: str) -> None:
    """Raises FetchError for what is no content, or is wrapped into something."""
    if answer.status != HTTP_OK:
        raise FetchError(shown(url), f"the server answers {answer.status} {answer.reason[:60]}", "Check the address")
    coding, transfer = answer.headers.get("Content-Encoding"), answer.headers.get("Transfer-Encoding")
    if (coding or "identity") != "identity" or (transfer or "chunked").lower() != "chunked":
        raise FetchError(shown(url), "the server compresses what was asked for plain", "Fetch it by hand")


def _connected(url: str, budget: _Budget, limits: Limits) -> tuple[http.client.HTTPSConnection, str]:
    what, remedy = fault_of(url)
    if what:
        raise FetchError(shown(url), what, remedy)
    address = split(url)
    connection = _Pinned(address.host, address.port, context=limits.trust)
    connection.pinned, connection.budget = _checked(url, address.host, address.port, limits), budget
    budget.allow(HEADER_BYTES)
    return connection, address.path


class _Pinned(http.client.HTTPSConnection):
    """A connection to one of the checked addresses; the certificate has to be that of the name."""

    pinned: tuple[str, ...] = ()
    budget: _Budget

    def connect(self) -> None:
        plain = self._reached()
        try:
            plain.settimeout(self.budget.wait_s())
            context: ssl.SSLContext = self._context  # type: ignore[attr-defined]  # what the class itself uses
            context.sslsocket_class = _CountedSocket
            wrapped = context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
        if isinstance(wrapped, _CountedSocket):
            wrapped.settimeout(self.budget.wait_s())
            wrapped.budget = self.budget
        self.sock = wrapped

    def _reached(self) -> socket.socket:
        """The first address that takes the connection."""
        for place in self.pinned[:-1]:
            with contextlib.suppress(OSError):
                return socket.create_connection((place, self.port), self.budget.wait_s())
        return socket.create_connection((self.pinned[-1], self.port), self.budget.wait_s())


def _checked(url: str, host: str, port: int, limits: Limits) -> tuple[str, ...]:
    """The addresses of a server, after all of them passed."""
    found = tuple(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    refused = next((address for address in found if not limits.allowed(address)), "")
    if refused or not found:
        what = f"leads to {refused or 'nowhere'}, which is no public address"
        raise FetchError(shown(url), what, "Fetch it by hand if you trust it")
    return found[:MAX_TRIED]
