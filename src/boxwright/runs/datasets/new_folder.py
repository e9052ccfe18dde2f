# SPDX-License-Identifier: Apache-2.0
"""The folder that a data set is written into."""

from __future__ import annotations

from pathlib import Path

from boxwright.errors import SettingError
from boxwright.system.files import make_folder


def require_new_folder(name: str) -> Path:
    """A folder that holds nothing yet. Raises SettingError."""
    out = Path(name)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SettingError(
            f"--out {name}", "is there already and holds something", "Name a new folder; data is never changed in place"
        )
    make_folder(out)
    return out.resolve()
