# SPDX-License-Identifier: Apache-2.0
"""Which addresses of the network may be asked: the form of an https address, and public places only."""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

MAX_LENGTH = 2048
LETTERS = re.compile(r"[\x21-\x7e]+")
NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
MAX_NAME = 253
HTTPS_PORT = 443

# IPv6: what is given out for the open network (RFC 4291), without the parts of it that lead elsewhere. All that is
# outside
# of it is refused: this machine, neighbours, IPv4 written as IPv6 (::a.b.c.d, ::ffff:a.b.c.d), translation (64:ff9b::).
GIVEN_OUT = ipaddress.IPv6Network("2000::/3")
LEAD_ELSEWHERE = (
    ipaddress.IPv6Network("2001::/23"),  # Teredo, ORCHID, benchmarking
    ipaddress.IPv6Network("2001:db8::/32"),  # documentation
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("3fff::/20"),  # documentation
)
# IPv4: what the registry calls global, without the relays of 6to4 and the addresses of protocols.
IPV4_REFUSED = (ipaddress.IPv4Network("192.88.99.0/24"), ipaddress.IPv4Network("192.0.0.0/24"))


class Address(NamedTuple):
    """The parts of an https address that a request needs."""

    host: str
    port: int
    path: str


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open network, and not to this machine, its neighbourhood or a way around."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return found.is_global and not found.is_multicast and not any(found in network for network in IPV4_REFUSED)
    return found in GIVEN_OUT and found.is_global and not any(found in network for network in LEAD_ELSEWHERE)


def shown(url: str) -> str:
    """An address as errors name it: short, without a password and without what stands behind the question mark."""
    return re.sub(r"//[^/]*@", "//", url.partition("?")[0])[:200]


def fault_of(url: str) -> tuple[str, str]:
    """What is wrong with an address and what to do about it; two empty texts when nothing is."""
    if len(url) > MAX_LENGTH:
        return f"has {len(url):,} letters", f"Give an https:// address of at most {MAX_LENGTH:,}"
    if not LETTERS.fullmatch(url):
        return "holds characters that no address holds", "Write them as %XX, and names of servers in their xn-- form"
    try:
        parts = urlsplit(url)
        encrypted, sound = parts.scheme == "https", parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:
        encrypted, sound = True, False
    if not encrypted:
        return "is not an https:// address", "Only encrypted connections are made"
    if not sound:
        return "is no address", "Give an https:// address, and check the name of the server"
    return ("holds a user name or password", "Fetch it by hand") if "@" in parts.netloc else ("", "")


def _is_host(host: str) -> bool:
    """Whether this can be the name of a server, or is an IP address. Raises ValueError for some that are not."""
    if ":" in host:
        return isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address)
    return len(host) <= MAX_NAME and NAME.fullmatch(host) is not None


def split(url: str) -> Address:
    """The parts of an address that has no fault."""
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    return Address(parts.hostname or "", parts.port or HTTPS_PORT, path)


def redirected(url: str, location: str) -> str:
    """The address that a redirect leads to; text that is no address stays as it is, to be refused as one."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location
