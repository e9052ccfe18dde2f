# SPDX-License-Identifier: Apache-2.0
"""Folders of the user: where caches and data sets are kept."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where caches live: BOXWRIGHT_CACHE, else ~/.cache/boxwright."""
    return Path(os.environ.get("BOXWRIGHT_CACHE") or Path.home() / ".cache" / "boxwright")


def shared_folder() -> Path | None:
    """Where memory that processes share is, when it is not the usual place: BOXWRIGHT_SHARED, if set."""
    named = os.environ.get("BOXWRIGHT_SHARED")
    return Path(named) if named else None


def data_folder() -> Path | None:
    """Where data sets are looked for last: BOXWRIGHT_DATA, if set."""
    named = os.environ.get("BOXWRIGHT_DATA")
    return Path(named) if named else None
