# SPDX-License-Identifier: Apache-2.0
"""What the environment says about trackers' services: whether one is configured, and what its library is told.

Nothing is sent anywhere unless the user has said where. Values of keys are looked for, never read out.
"""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


def named(*names: str) -> str:
    """The first of these variables that says something, or ''."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), "")


def tell_library(values: Mapping[str, str]) -> None:
    """Variables that a library reads when it is loaded, in the process of its tracker alone. The user's own stay."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def require_of_library(values: Mapping[str, str]) -> None:
    """As `tell_library`, whatever the user has set."""
    os.environ.update(values)


def has_login(address: str) -> bool:
    """Whether the user's netrc has a login for the host of an address."""
    place = Path(os.environ.get("NETRC") or Path.home() / (".netrc" if os.name != "nt" else "_netrc"))
    try:
        return netrc.netrc(str(place)).authenticators(urlsplit(address).hostname or address) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def in_home(*names: str) -> bool:
    """Whether the user's home has one of these files."""
    return any((Path.home() / name).is_file() for name in names)
