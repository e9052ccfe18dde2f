# SPDX-License-Identifier: Apache-2.0
"""The environment: folders of the user, where caches and data sets are kept, and what other packages look for in it."""

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


def keep_packages_offline() -> None:
    """Tell packages that would ask the network for news of themselves when they are imported to leave it."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
