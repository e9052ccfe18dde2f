# SPDX-License-Identifier: Apache-2.0
"""The one door to the network: https only, to public addresses only, each redirect checked again, bounded in size and time.

The name is looked up once; the connection goes to the address that was checked, so no second look-up can lead elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from boxwright.errors import UserError
from boxwright.system.files import remove, stream_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_REDIRECTS = 5
CHUNK = 1 << 20
REDIRECTS = frozenset((301, 302, 303, 307, 308))
HTTP_OK = 200


class FetchError(UserError):
    """Something that cannot, or must not, be fetched."""


def is_public(address: str) -> bool:
    """Whether an address belongs to the open network, and not to this machine or its neighbourhood."""
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    return found.is_global and not found.is_multicast and (mapped is None or mapped.is_global)


@dataclass(frozen=True)
class Limits:
    """What a fetch may take. `allowed` judges addresses; `trust` is what certificates are checked against."""

    max_bytes: int
    silence_s: float = 30.0
    total_s: float = 6 * 3600.0
    allowed: Callable[[str], bool] = is_public
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)


def fetch(url: str, target: Path, limits: Limits, progress: Callable[[int, int], None] | None = None) -> str:
    """Fetch into a file; returns the SHA-256 of what came. Nothing stays when it fails. Raises FetchError."""
    began = time.monotonic()
    try:
        with _answer(url, limits) as answer:
            stated = _stated(answer, url, limits)
            digest = hashlib.sha256()
            received = stream_to(target, _chunks(answer, url, limits, began, digest.update), lambda done: progress and progress(done, stated))
            _require_whole(url, received, stated)
            return digest.hexdigest()
    except (OSError, http.client.HTTPException) as error:
        remove(target)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FetchError(url, f"cannot be fetched ({reason[:120]})", "Check the address and the connection") from None
    except FetchError:
        remove(target)
        raise


def _stated(answer: http.client.HTTPResponse, url: str, limits: Limits) -> int:
    """The length that the server states, 0 when it states none."""
    word = answer.headers.get("Content-Length") or "0"
    stated = int(word) if word.isdigit() else 0
    if stated > limits.max_bytes:
        raise FetchError(url, f"is {stated / 2**30:.1f} GiB large, over the limit of {limits.max_bytes / 2**30:.1f}", "Raise --max-gib")
    return stated


def _require_whole(url: str, received: int, stated: int) -> None:
    if stated and received != stated:
        raise FetchError(url, f"ended after {received:,} of {stated:,} bytes", "Try again")


def _chunks(answer: http.client.HTTPResponse, url: str, limits: Limits, began: float, update: Callable[[bytes], None]) -> Iterator[bytes]:
    received = 0
    while chunk := answer.read(CHUNK):
        received += len(chunk)
        if received > limits.max_bytes:
            raise FetchError(url, f"sends more than {limits.max_bytes / 2**30:.1f} GiB", "Raise --max-gib")
        if time.monotonic() - began > limits.total_s:
            raise FetchError(url, f"takes longer than {limits.total_s / 3600:.1f} hours", "Fetch it by hand")
        update(chunk)
        yield chunk


@contextlib.contextmanager
def _answer(url: str, limits: Limits) -> Iterator[http.client.HTTPResponse]:
    """The answer with the content, redirects followed, each checked as the first address was."""
    for _ in range(MAX_REDIRECTS + 1):
        connection, path = _connected(url, limits)
        try:
            connection.request("GET", path, headers={"Accept-Encoding": "identity", "User-Agent": "boxwright"})
            answer = connection.getresponse()
            if answer.status not in REDIRECTS:
                if answer.status != HTTP_OK:
                    raise FetchError(url, f"the server answers {answer.status} {answer.reason}", "Check the address")
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise FetchError(url, "the server compresses what was asked for plain", "Fetch it by hand")
                yield answer
                return
            url = urljoin(url, answer.headers.get("Location") or "")
        finally:
            connection.close()
    raise FetchError(url, f"redirects more than {MAX_REDIRECTS} times", "Check the address")


def _connected(url: str, limits: Limits) -> tuple[http.client.HTTPSConnection, str]:
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise FetchError(url, "is no address", "Give an https:// address") from None
    if parts.scheme != "https" or not parts.hostname:
        raise FetchError(url, "is not an https:// address", "Only encrypted connections are made")
    if parts.username or parts.password:
        raise FetchError(f"https://{parts.hostname}", "holds a user name or password", "Fetch it by hand")
    address = _checked_address(url, parts.hostname, port, limits)
    connection = _Pinned(parts.hostname, port, timeout=limits.silence_s, context=limits.trust)
    connection.pinned = address
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return connection, path


class _Pinned(http.client.HTTPSConnection):
    """A connection to one checked address; the certificate has to be that of the name."""

    pinned: str = ""

    def connect(self) -> None:
        plain = socket.create_connection((self.pinned, self.port), self.timeout)
        self.sock = self._context.wrap_socket(plain, server_hostname=self.host)  # type: ignore[attr-defined]  # what the class itself uses


def _checked_address(url: str, host: str, port: int, limits: Limits) -> str:
    """One address of the host, after all of them passed."""
    found = list(dict.fromkeys(str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    refused = next((address for address in found if not limits.allowed(address)), "")
    if refused or not found:
        raise FetchError(url, f"leads to {refused or 'nowhere'}, which is no public address", "Fetch it by hand if you trust it")
    return found[0]
